"""Durations on the command line."""

from __future__ import annotations

import re

import typer

UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str) -> float:
    """Seconds of a duration such as 100ms, 30s, 2m, 7d; a bare number is seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", text.strip())
    if not match or not float(match[1]):
        raise typer.BadParameter(f"{text!r} is no duration; write it as 100ms, 30s, 2m or 7d")
    return float(match[1]) * UNITS_S[match[2] or "s"]
