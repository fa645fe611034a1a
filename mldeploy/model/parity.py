"""The proof: the graph, run by the image's exact onnxruntime, against the original's own answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from mldeploy.bundle import Proof
from mldeploy.model.rows import joined

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from mldeploy.bundle import Graph, Outputs, Tensor
    from mldeploy.model.original import Answers
    from mldeploy.model.rows import Rows, Value

# It makes a scalar beside a matrix product a float32 attribute of it, which takes a double graph's digits away.
ROUNDING = ["MatMulScaleFusion"]
# How many rows at once: all rows, then those asked again alone and in pairs, of which there are at most so many.
BATCHES = (1000, 1, 2)
MOST_ALONE = 100
ORDINARY = ("sample", "drawn")
"""Of probe rows, some are made to give huge answers."""

NUMPY = {"float32": np.float32, "float64": np.float64, "int64": np.int64, "bool": np.bool_}


@dataclass(frozen=True)
class Converted:
    """The graph's answers, as the original's: with several outputs a label is a list, and values [rows, outputs].

    A graph refuses no row; where the original itself answers, `refused` maps a row's number to the reason.
    """

    labels: list[Any] | None
    probabilities: npt.NDArray[np.float64] | None
    values: npt.NDArray[np.float64] | None
    scores: npt.NDArray[np.float64] | None
    refused: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mismatch:
    """One row that the graph answers otherwise than the original does."""

    row: int
    origin: str
    instance: dict[str, Value]
    original: str
    converted: str
    error: float


@dataclass(frozen=True)
class Comparison:
    """`worst` are rows that are wrong; `worst_probe` says where the row of the largest error comes from."""

    proof: Proof
    worst: list[Mismatch]
    worst_probe: str
    errors_by_origin: dict[str, tuple[int, int, float]]


class Converter:
    """A loaded graph that answers rows."""

    def __init__(self, model: bytes, graph: Graph, outputs: Outputs) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        self.graph = graph
        self.outputs = outputs
        self.session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"], disabled_optimizers=ROUNDING
        )

    def feeds(self, rows: Rows) -> dict[str, npt.NDArray[Any]]:
        return {tensor.name: _tensor(tensor, rows, self.graph.missing_string) for tensor in self.graph.tensors}

    def answer(self, rows: Rows) -> Converted:
        names = self.graph.outputs
        found = dict(zip(names, self.session.run(names, self.feeds(rows)), strict=True))

        def numbers(name: str | None) -> npt.NDArray[np.float64] | None:
            return None if name is None else np.asarray(found[name], np.float64)

        values, scores = numbers(self.graph.value), numbers(self.graph.score)
        if values is not None and self.outputs.names is None:
            values = values.reshape(len(rows))
        return Converted(
            labels=None if self.graph.label is None else self._labels(found[self.graph.label]),
            probabilities=numbers(self.graph.probabilities),
            values=values,
            scores=None if scores is None else scores.reshape(len(rows)),
        )

    def _labels(self, answered: npt.NDArray[Any]) -> list[Any]:
        """The classes themselves, for which several outputs give positions."""
        by_output = self.outputs.classes_by_output
        if by_output is None:
            flat: list[Any] = answered.reshape(-1).tolist()
            return flat
        return [[classes[at] for classes, at in zip(by_output, row, strict=True)] for row in answered.tolist()]


def prove(rows: Rows, answers: Answers, converter: Converter, tolerance: float) -> Comparison:
    """Compare all rows, answered a thousand at once, and some of every origin again one by one and in pairs."""
    first_of = {origin: row for row, origin in reversed(list(enumerate(rows.origins))) if answers.can_be_compared(row)}
    some = sorted(first_of.values())[:MOST_ALONE]
    order = [*range(len(rows)), *some, *some]
    parts = [rows, rows.select(some).named("alone"), rows.select(some).named("in pairs")]
    converted = [
        converter.answer(part.select(range(start, min(start + size, len(part)))))
        for part, size in zip(parts, BATCHES, strict=True)
        for start in range(0, len(part), size)
    ]
    return compare(joined(parts), answers.select(order), _together(converted), tolerance)


def _together(parts: list[Converted]) -> Converted:
    def stacked(arrays: list[npt.NDArray[np.float64] | None]) -> npt.NDArray[np.float64] | None:
        given = [array for array in arrays if array is not None]
        return np.concatenate(given) if given else None

    return Converted(
        labels=None if parts[0].labels is None else [label for part in parts for label in part.labels or []],
        probabilities=stacked([part.probabilities for part in parts]),
        values=stacked([part.values for part in parts]),
        scores=stacked([part.scores for part in parts]),
    )


def compare(rows: Rows, answers: Answers, converted: Converted, tolerance: float) -> Comparison:
    """Compare every row that the original answered for a reason: labels must be equal, numbers within `tolerance`.

    The error of a number is the smaller of the absolute and the relative one; a row's is that of its worst. Of an
    output whose values or scores are all small, the absolute error is taken as a part of the largest.
    """
    kept = [row for row in range(len(rows)) if answers.can_be_compared(row)]
    expected, got = _numbers(answers, converted, kept)
    sizes = _sizes(expected, [rows.origins[row] for row in kept], _bounded(answers, kept))
    errors = _row_errors(expected, got, sizes)
    flips = np.array([not _same(answers.labels, converted.labels, row) for row in kept], dtype=bool)
    over = errors > tolerance
    proof = Proof(
        tolerance=tolerance,
        rows=len(kept),
        label_flips=int(flips.sum()),
        rows_over_tolerance=int(over.sum()),
        max_error=_finite(errors.max(initial=0.0)),
        p99_error=_finite(np.quantile(errors, 0.99, method="higher")) if len(errors) else 0.0,
        onnxruntime=onnxruntime.__version__,
    )
    order = sorted(range(len(kept)), key=lambda place: (not flips[place], -errors[place]))
    worst = [
        Mismatch(
            row=kept[place],
            origin=rows.origins[kept[place]],
            instance=rows.instance(kept[place]),
            original=_show(answers.labels, expected[place], kept[place]),
            converted=_show(converted.labels, got[place], kept[place]),
            error=_finite(errors[place]),
        )
        for place in order[:20]
        if flips[place] or over[place]
    ]
    worst_probe = rows.origins[kept[int(np.argmax(errors))]] if errors.any() else ""
    return Comparison(proof, worst, worst_probe, _by_origin(rows, kept, flips | over, errors))


def _tensor(tensor: Tensor, rows: Rows, missing_string: str) -> npt.NDArray[Any]:
    columns = []
    for name in tensor.fields:
        values = rows.columns[name]
        if tensor.dtype == "string":
            columns.append(np.array([missing_string if value is None else value for value in values], dtype=object))
        else:
            numbers = [np.nan if value is None else value for value in values]
            columns.append(np.array(numbers, dtype=np.float64))
    stacked = np.column_stack(columns)
    return stacked if tensor.dtype == "string" else stacked.astype(NUMPY[tensor.dtype])


def _numbers(
    answers: Answers, converted: Converted, kept: list[int]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Both sides' numbers for the kept rows: double [rows, numbers a row]."""
    pairs = [
        (answers.values, converted.values),
        (answers.probabilities, converted.probabilities),
        (answers.scores, converted.scores),
    ]
    expected = [np.array([theirs[row] for row in kept], dtype=np.float64) for theirs, _ in pairs if theirs is not None]
    got = [ours[kept] if ours is not None else np.array(np.nan) for theirs, ours in pairs if theirs is not None]
    if not expected or not kept:
        return np.empty((len(kept), 0)), np.empty((len(kept), 0))
    wide = [each.reshape(len(kept), -1) for each in expected]
    return np.hstack(wide), np.hstack([_shaped(ours, theirs.shape) for ours, theirs in zip(got, wide, strict=True)])


def _shaped(numbers: npt.NDArray[np.float64], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """The numbers in this shape; what has another number of them, or is missing, is wrong everywhere."""
    return numbers.reshape(shape) if numbers.size == np.prod(shape) else np.full(shape, np.nan)


def _bounded(answers: Answers, kept: list[int]) -> slice:
    """Which of the numbers of a row are probabilities."""
    if answers.probabilities is None or not kept:
        return slice(0, 0)
    start = 0 if answers.values is None else np.size(answers.values[kept[0]])
    return slice(start, start + np.size(answers.probabilities[kept[0]]))


def _sizes(expected: npt.NDArray[np.float64], origins: list[str], bounded: slice) -> npt.NDArray[np.float64]:
    """How large each output gets in ordinary rows, at most 1; 1 for `bounded` ones: double [numbers a row]."""
    usual = [place for place, origin in enumerate(origins) if origin in ORDINARY]
    found = np.abs(expected[usual] if usual else expected)
    largest = np.where(np.isfinite(found), found, 0.0).max(axis=0, initial=0.0)
    largest[bounded] = 1.0
    return np.where(largest == 0, 1.0, np.minimum(1.0, largest))


def _row_errors(
    expected: npt.NDArray[np.float64], got: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    if expected.shape[1] == 0:
        return np.zeros(len(expected))
    with np.errstate(all="ignore"):
        absolute = np.abs(expected - got)
        error = np.fmin(absolute / sizes, absolute / np.abs(expected))
    same = (expected == got) | (np.isnan(expected) & np.isnan(got))
    error = np.where(same, 0.0, np.where(np.isnan(error), np.inf, error))
    return np.asarray(error.max(axis=1), dtype=np.float64)


def _same(expected: list[Any] | None, got: list[Any] | None, row: int) -> bool:
    """Equal labels of the same type: to a client, true and 1 are different answers."""
    if expected is None:
        return True
    return got is not None and _typed(expected[row]) == _typed(got[row])


def _typed(label: Any) -> Any:
    """A label, or one an output, with the type that JSON would show."""
    return [_typed(each) for each in label] if isinstance(label, list) else (type(label), label)


def _show(labels: list[Any] | None, numbers: npt.NDArray[np.float64], row: int) -> str:
    shown = " ".join(f"{number:.7g}" for number in numbers[:4])
    return f"{labels[row]} ({shown})" if labels is not None and shown else str(labels[row]) if labels else shown


def _by_origin(
    rows: Rows, kept: list[int], wrong: npt.NDArray[np.bool_], errors: npt.NDArray[np.float64]
) -> dict[str, tuple[int, int, float]]:
    """For each kind of row: how many, how many of them wrong, the largest error."""
    result: dict[str, tuple[int, int, float]] = {}
    for place, row in enumerate(kept):
        kind = rows.origins[row].split(":")[0]
        count, bad, largest = result.get(kind, (0, 0, 0.0))
        result[kind] = (count + 1, bad + int(wrong[place]), max(largest, _finite(errors[place])))
    return result


def _finite(value: Any) -> float:
    """JSON has no infinity; an error that is none is as large as a double gets."""
    return float(min(value, np.finfo(np.float64).max))
