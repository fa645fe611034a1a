"""Golden rows: inputs with the original model's answers, answered again by this process."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from mldeploy_runtime.bundle import Golden


class GoldenReport(msgspec.Struct, frozen=True):
    """How far the answers are from the original's: an error is the smaller of the absolute and the relative one."""

    rows: int
    mismatches: int
    max_error: float
    tolerance: float

    @property
    def holds(self) -> bool:
        return self.mismatches == 0


def compare(golden: Golden, predictions: list[dict[str, Any]]) -> GoldenReport:
    """Compare `predictions`, as decoded from the answer to the golden instances, with the original's."""
    mismatches = 0
    max_error = 0.0
    for expected, answered in zip(golden.predictions, predictions, strict=True):
        errors = [_error(key, expected[key], answered.get(key)) for key in expected]
        mismatches += any(error > golden.tolerance for error in errors)
        max_error = max([max_error, *(error for error in errors if math.isfinite(error))])
    return GoldenReport(len(predictions), mismatches, max_error, golden.tolerance)


def _error(key: str, expected: Any, answered: Any) -> float:
    """0 for what is equal, infinite for what differs and has no distance: labels, text, a missing number."""
    if isinstance(expected, dict) and isinstance(answered, dict):
        if expected.keys() != answered.keys():
            return math.inf
        # Of `labels` each entry is a label; any other entry is told by its own name.
        inner = "label" if key == "labels" else ""
        return max((_error(inner, expected[name], answered[name]) for name in expected), default=0.0)
    if key == "label" or not (_is_number(expected) and _is_number(answered)):
        return 0.0 if expected == answered else math.inf
    difference = abs(expected - answered)
    return float(min(difference, difference / abs(expected) if expected else math.inf))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
