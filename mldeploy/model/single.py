"""A float32 graph in the place of a proven float64 one, where it is right by a wide margin and faster."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mldeploy.bundle import Graph, Precision
from mldeploy.errors import MldeployError
from mldeploy.model.ladder import Attempt, Proven
from mldeploy.model.parity import Converter, prove

if TYPE_CHECKING:
    from collections.abc import Callable

    from mldeploy.model.original import Answers, FieldType, Original
    from mldeploy.model.rows import Rows

RUNG = "skl2onnx-float32"
# How many times smaller than the tolerance its errors must be: rows that no proof has seen may have larger ones.
MARGIN = 10
# How many times faster it must be, at one row and at many, for that to be no accident of the measurement.
SPEEDUP = 1.1
SIZES_AND_REPEATS = ((1, 200), (1000, 20))
TREES = b"TreeEnsemble"


def prefer_float32(
    proven: Proven,
    original: Original,
    types: list[FieldType],
    rows: Rows,
    answers: Answers,
    others: Callable[[], Rows],
    speedup: float = SPEEDUP,
) -> tuple[Proven, list[Attempt]]:
    """A float32 graph that is `speedup` times as fast and proven with a margin, on `rows` and `others`; else `proven`.

    And what came of trying. The original's process may be lost in it; nothing is lost with it.
    """
    if any(tensor.dtype == "float32" for tensor in proven.graph.tensors):
        return proven, []
    if TREES in proven.model:
        # Operators' names stand in the file as they are.
        return proven, [Attempt(RUNG, "not tried: float32 may fall on the other side of a tree's threshold")]
    try:
        return _try(proven, original, types, rows, answers, others, speedup)
    except MldeployError as failure:
        return proven, [Attempt(RUNG, f"not converted: {failure.message}")]


def _try(
    proven: Proven,
    original: Original,
    types: list[FieldType],
    rows: Rows,
    answers: Answers,
    others: Callable[[], Rows],
    speedup: float,
) -> tuple[Proven, list[Attempt]]:
    converted = original.convert(RUNG, types)
    if isinstance(converted, str):
        return proven, [Attempt(RUNG, f"not converted: {converted}")]
    model, mapping = converted
    graph = Graph.model_validate(mapping)
    tolerance = proven.comparison.proof.tolerance
    try:
        converter = Converter(model, graph, answers.outputs)
        comparison = prove(rows, answers, converter, tolerance)
    except Exception as failure:  # onnxruntime's exceptions share no base class of their own
        return proven, [Attempt(RUNG, f"does not run: {str(failure).splitlines()[0][:200]}")]

    def not_taken(why: str) -> tuple[Proven, list[Attempt]]:
        return proven, [Attempt(RUNG, f"not taken: {why}", comparison)]

    error = comparison.proof.max_error
    if not comparison.proof.holds:
        return not_taken(f"{comparison.proof.label_flips} labels differ, largest error {error:.2g}")
    if error > tolerance / MARGIN:
        return not_taken(f"its largest error, {error:.2g}, is over the tolerance divided by {MARGIN}")
    found = [_speedup(proven.converter, converter, rows, *each) for each in SIZES_AND_REPEATS]
    if min(found) < speedup:
        return not_taken(f"as right, but only {min(found):.2g} times as fast")
    fresh = others()
    confirmed = prove(fresh, original.answer(types, fresh), converter, tolerance / MARGIN).proof
    if not confirmed.holds:
        return not_taken(f"on {confirmed.rows} other rows its largest error is {confirmed.max_error:.2g}")
    outcome = (
        f"proven on {comparison.proof.rows} rows and {confirmed.rows} others, largest error {error:.2g}, "
        f"and {found[0]:.2g} times as fast as {proven.rung} for one row"
    )
    reason = f"{RUNG} is proven with a margin of {MARGIN} times, and was measured to be faster than {proven.rung}"
    precision = Precision(dtype="float32", reason=reason)
    single = Proven(
        rung=RUNG, model=model, graph=graph, comparison=comparison, precision=precision, converter=converter
    )
    return single, [Attempt(RUNG, outcome, comparison)]


def _speedup(slower: Converter, faster: Converter, rows: Rows, size: int, repeats: int) -> float:
    """How many times as fast the second is; both timed in turns, by their best time."""
    batch = rows.select([place % len(rows) for place in range(size)])
    contest = [(converter, converter.feeds(batch)) for converter in (slower, faster)]
    best = [float("inf")] * len(contest)
    for _ in range(repeats):
        for place, (converter, feeds) in enumerate(contest):
            started = time.perf_counter()
            converter.session.run(None, feeds)
            best[place] = min(best[place], time.perf_counter() - started)
    return best[0] / best[1]
