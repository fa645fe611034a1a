"""What mldeploy can make again, kept in a folder of its own by the hash of what it is made of."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mldeploy"


def kept(kind: str, key: str, make: Callable[[Path], object], *, keep: int) -> Path:
    """The folder that `make` filled for `key`, now or earlier; of a kind, the `keep` used last stay."""
    folder = cache_folder() / kind / key
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
        try:
            make(staging)
            _put(staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    os.utime(folder)
    _forget_older(folder.parent, keep)
    return folder


def _put(staging: Path, folder: Path) -> None:
    try:
        staging.rename(folder)
    except OSError:
        # Another process made the same meanwhile: equal keys mean equal content.
        if not folder.is_dir():
            raise


def _forget_older(folder: Path, keep: int) -> None:
    there = sorted(folder.glob("[!.]*"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in there[keep:]:
        shutil.rmtree(path, ignore_errors=True)
