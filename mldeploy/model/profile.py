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

SIZES = (1, 100, 10_000)
REPEATS = 9
# How many seconds the repeats of one size may take, and what the original is expected to need for it at most.
BUDGET_S = 2.0
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Profile:
    """Medians in milliseconds for `rows` at once: of the model's own predict, and of the graph.

    `original_ms` is None where the original would take too long, `converted_ms` where there is no graph.
    """

    rows: int
    original_ms: float | None
    converted_ms: float | None


def time_original(original: Original, types: list[FieldType], rows: Rows) -> list[float | None]:
    """Seconds that the original takes for each of `SIZES`, in its own process and without the way there."""
    found: list[float | None] = []
    row_s = 0.0
    for size in SIZES:
        if row_s * size > PATIENCE_S:
            found.append(None)
            continue
        found.append(original.time(types, _repeated(rows, size), REPEATS, BUDGET_S))
        row_s = (found[-1] or 0.0) / size
    return found


def profile(original_s: list[float | None], converter: Converter | None, rows: Rows) -> list[Profile]:
    """The graph's times, where there is one, beside the original's."""
    return [
        Profile(
            size,
            None if seconds is None else seconds * 1000,
            None if converter is None else _time_graph(converter, _repeated(rows, size)) * 1000,
        )
        for size, seconds in zip(SIZES, original_s, strict=True)
    ]


def _time_graph(converter: Converter, rows: Rows) -> float:
    feeds = converter.feeds(rows)
    times: list[float] = []
    while len(times) < REPEATS and sum(times) < BUDGET_S:
        started = time.perf_counter()
        converter.session.run(None, feeds)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _repeated(rows: Rows, size: int) -> Rows:
    return rows.select([place % len(rows) for place in range(size)])
