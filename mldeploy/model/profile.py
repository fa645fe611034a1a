"""How long an answer takes, original beside graph. Measured for the report, never part of the contract."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mldeploy.model.original import FieldType, Original
    from mldeploy.model.parity import Converter
    from mldeploy.model.rows import Rows

SIZES = (1, 100)
REPEATS = 9


@dataclass(frozen=True)
class Profile:
    """Medians in milliseconds for `rows` at once: of the model's own predict, and of the graph."""

    rows: int
    original_ms: float
    converted_ms: float


def measure(original: Original, types: list[FieldType], converter: Converter, rows: Rows) -> list[Profile]:
    """Time both sides on batches of each size; the original in its own process, without the way there."""
    result = []
    for size in SIZES:
        batch = rows.select([place % len(rows) for place in range(size)])
        feeds = converter.feeds(batch)
        times = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            converter.session.run(None, feeds)
            times.append(time.perf_counter() - started)
        original_s = original.time(types, batch, REPEATS)
        result.append(Profile(size, original_s * 1000, statistics.median(times) * 1000))
    return result
