"""keys.json as the host writes it."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "q" * 32


def key_of(identity: str) -> str:
    return f"mld_{identity}_{SECRET}"


def stored(identity: str, **changes: Any) -> dict[str, Any]:
    """A key for predictions that is never over, but for `changes`."""
    digest = hashlib.sha256(key_of(identity).encode()).hexdigest()
    return {
        "id": identity, "name": f"key {identity}", "sha256": digest, "scopes": ["predict"], "rate": None,
        "created": "2026-11-21T12:00:00+00:00", "expires": None,
    } | changes  # fmt: skip


def write_keys(path: Path, *keys: dict[str, Any]) -> Path:
    """Replace the file as the host does: at once."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"schema": 1, "keys": keys}))
    os.replace(new, path)  # noqa: PTH105 - the very call
    return path
