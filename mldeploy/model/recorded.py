"""The versions that a model file records, read from what its libraries put into their own saved state."""

from __future__ import annotations

import re
from typing import Any

XGBOOST = re.compile(rb"""version(?:\[\#L.{7}\x03i(.)i(.)i(.)|":\[(\d+),(\d+),(\d+)\])""", re.DOTALL)
"""In the booster's bytes, UBJSON since 1.6 and JSON before."""

CATBOOST = re.compile(rb"Branch: tags/v(\d+(?:\.\d+)+)")
"""In the build information that a catboost model carries."""


def recorded_version(name: str, state: Any) -> tuple[str, str] | None:
    """The library, by the name it is imported under, and the version that one object's `state` records.

    `name` is the full name of the object's class. lightgbm, imblearn and category_encoders record none.
    """
    if not isinstance(state, dict):
        return None
    if name.startswith("sklearn.") and isinstance(version := state.get("_sklearn_version"), str):
        return "sklearn", version
    if name == "xgboost.core.Booster" and (found := XGBOOST.search(_content(state.get("handle")))):
        parts = [str(part[0]) for part in found.groups()[:3] if part] or [part.decode() for part in found.groups()[3:]]
        return "xgboost", ".".join(parts)
    if name.startswith("catboost.core.") and (found := CATBOOST.search(_content(state.get("__model")))):
        return "catboost", found[1].decode()
    return None


def _content(value: Any) -> bytes:
    """Bytes as they are, or those that a stand-in for a bytearray was called with."""
    given = value.arguments[0] if getattr(value, "arguments", None) else value
    return bytes(given) if isinstance(given, (bytes, bytearray)) else b""
