"""The ladder of conversions: the first rung that passes the proof is taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mldeploy.bundle import Graph, Native, Precision
from mldeploy.errors import MldeployError, NotProvenError
from mldeploy.model.parity import Comparison, Converter, prove

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mldeploy.model.original import Answers, Original
    from mldeploy.model.rows import Rows
    from mldeploy.model.signature import Field

# The exact emitter goes first: of models that skl2onnx converts and whose proof holds, some were measured to
# be off on fresh rows, where float32 or another rule falls on the other side of a threshold.
RUNGS = ("exact", "skl2onnx-float64", "skl2onnx-float32")


@dataclass(frozen=True)
class Attempt:
    """One rung: what came of it, and the comparison where it gave a graph that runs."""

    rung: str
    outcome: str
    comparison: Comparison | None = None

    @property
    def holds(self) -> bool:
        return self.comparison is not None and self.comparison.proof.holds


@dataclass(frozen=True, kw_only=True)
class Answering:
    """What answers as the original does: a graph, or with `native` the original itself and the files beside it."""

    rung: str
    model: bytes
    graph: Graph
    comparison: Comparison
    precision: Precision
    native: Native | None = None
    beside: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Proven(Answering):
    """A graph that answers as the original does, and the rung that gave it."""

    converter: Converter


class ParityError(NotProvenError):
    """No rung passed the proof. `worst` are the rows that the first one answered most wrongly."""

    def __init__(self, attempts: list[Attempt]) -> None:
        first = next(attempt.comparison for attempt in attempts if attempt.comparison is not None)
        super().__init__(
            "not proven: the converted model does not answer as the original does",
            cause="; ".join(f"{attempt.rung}: {attempt.outcome}" for attempt in attempts),
            remedy="Nothing was written. The rows above show where they differ; "
            "--tolerance accepts a larger error of numbers, but never another label; "
            "--backend native serves the original itself.",
        )
        self.attempts = attempts
        self.worst = first.worst


class NotConvertedError(MldeployError):
    """No rung gave a graph that runs."""

    def __init__(self, attempts: list[Attempt]) -> None:
        super().__init__(
            "this model cannot be converted",
            cause="; ".join(f"{attempt.rung}: {attempt.outcome}" for attempt in attempts),
            remedy="docs/models.md lists what converts; --backend native serves the original itself.",
        )
        self.attempts = attempts


def climb(
    original: Original,
    fields: list[Field],
    rows: Rows,
    answers: Answers,
    tolerance: float,
    rungs: Sequence[str] = RUNGS,
    reopen: Callable[[], None] = lambda: None,
) -> tuple[Proven, list[Attempt]]:
    """Try each rung in turn. Raises ParityError when none is proven, NotConvertedError when none converts.

    A converter may end the original's process, or outlast its time: `reopen` brings the original back after it.
    """
    attempts: list[Attempt] = []
    for rung in rungs:
        try:
            converted = original.convert(rung, [field.type() for field in fields])
        except MldeployError as failure:
            converted = f"{failure.message}; {failure.remedy}"
            reopen()
        if isinstance(converted, str):
            attempts.append(Attempt(rung, f"not converted: {converted}"))
            continue
        model, mapping = converted
        graph = Graph.model_validate(mapping)
        try:
            converter = Converter(model, graph, answers.outputs)
            comparison = prove(rows, answers, converter, tolerance)
        except Exception as failure:  # onnxruntime's exceptions share no base class of their own
            attempts.append(Attempt(rung, f"does not run: {str(failure).splitlines()[0][:200]}"))
            continue
        attempts.append(Attempt(rung, outcome_of(comparison), comparison))
        if comparison.proof.holds:
            proven = Proven(
                rung=rung,
                model=model,
                graph=graph,
                comparison=comparison,
                precision=_precision(graph, attempts),
                converter=converter,
            )
            return proven, attempts
    if any(attempt.comparison for attempt in attempts):
        raise ParityError(attempts)
    raise NotConvertedError(attempts)


def outcome_of(comparison: Comparison) -> str:
    """One clause for the report."""
    proof = comparison.proof
    if proof.holds:
        return f"proven on {proof.rows} rows, largest error {proof.max_error:.2g}"
    return (
        f"{proof.label_flips} labels differ, {proof.rows_over_tolerance} of {proof.rows} rows over the "
        f"tolerance, largest error {proof.max_error:.2g}"
    )


def _precision(graph: Graph, attempts: list[Attempt]) -> Precision:
    single = any(tensor.dtype == "float32" for tensor in graph.tensors)
    before = "; ".join(f"{attempt.rung}: {attempt.outcome}" for attempt in attempts[:-1])
    taken = f"{attempts[-1].rung} is the first rung that passed the proof"
    return Precision(dtype="float32" if single else "float64", reason=f"{taken} ({before})" if before else taken)
