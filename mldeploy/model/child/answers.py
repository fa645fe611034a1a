"""The original's answers to rows."""

from __future__ import annotations

import math
import statistics
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import limits
from .forms import record_names, records, takes_texts
from .kinds import INDICATOR, Kind, find_kind, plain
from .problems import Unusable
from .ties import ORDERS, differing_rows, find_searches, reordered


def answer_rows(
    model: Any, family: str, fields: list[dict[str, Any]], columns: dict[str, list[Any]]
) -> tuple[Kind | None, dict[str, Any]]:
    """Answer every row that the original accepts; and the kind of these answers, where there are any.

    Gives `outputs`: those of `labels`, `probabilities`, `values` and `scores` that its kind has, one entry a
    row and null for the rows it refuses; `refused`: {row number: why}; and `undecided`: the numbers of rows whose
    answer hangs on the order of the training rows. With several outputs a row's labels and values are lists, one
    entry an output, and its probabilities those of all outputs side by side.
    """
    kind, outputs, refused = _answer_all(model, family, fields, columns)
    searches = find_searches(model)
    undecided: set[int] = set()
    for attempt in range(ORDERS if searches else 0):
        with reordered(searches, attempt):
            undecided |= differing_rows(outputs, _answer_all(model, family, fields, columns)[1])
    return kind, {"outputs": outputs, "refused": refused, "undecided": sorted(undecided)}


def _answer_all(
    model: Any, family: str, fields: list[dict[str, Any]], columns: dict[str, list[Any]]
) -> tuple[Kind | None, dict[str, list[Any]], dict[int, str]]:
    rows = len(next(iter(columns.values())))
    kind = None
    outputs: dict[str, list[Any]] = {}
    refused: dict[int, str] = {}
    for start, stop, answer in _answer_range(model, family, fields, columns, 0, rows):
        if isinstance(answer, str):
            refused[start] = answer
            continue
        kind, answered = answer
        for name, values in answered.items():
            outputs.setdefault(name, [None] * rows)[start:stop] = values
    return kind, outputs, refused


def outputs_of(
    model: Any, family: str, fields: list[dict[str, Any]], columns: dict[str, list[Any]]
) -> dict[str, list[Any]]:
    """The outputs of `answer_rows` for rows that the original all accepts; else what it raises."""
    return _shape(model, family, _ask(model, family, model_input(model, fields, columns)))[1]


def median_seconds(model: Any, family: str, rows: Any, repeats: int, budget: float) -> float:
    """How long the original takes to answer `rows` at once; 0 where it refuses one of them.

    It is asked again while all took less than `budget` seconds, `repeats` times at most.
    """
    times: list[float] = []
    while len(times) < repeats and sum(times) < budget:
        started = time.perf_counter()
        try:
            _ask(model, family, rows)
        except Exception:
            return 0.0
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _answer_range(
    model: Any, family: str, fields: list[dict[str, Any]], columns: dict[str, list[Any]], start: int, stop: int
) -> list[tuple[int, int, Any]]:
    """Answers to rows [start, stop), halved until each refused row stands alone."""
    try:
        chosen = {name: values[start:stop] for name, values in columns.items()}
        return [(start, stop, _shape(model, family, _ask(model, family, model_input(model, fields, chosen))))]
    except Unusable:
        raise
    except Exception as failure:
        if limits.explained(failure):
            raise
        # The original may refuse a row with any exception; which ones it refuses is what is asked here.
        if stop - start == 1:
            return [(start, stop, f"{type(failure).__name__}: {failure}")]
    middle = (start + stop) // 2
    return _answer_range(model, family, fields, columns, start, middle) + _answer_range(
        model, family, fields, columns, middle, stop
    )


@dataclass(frozen=True)
class Answered:
    """What the model's own methods answered: predict() or transform(), predict_proba(), decision_function()."""

    rows: np.ndarray
    probabilities: Any = None
    scores: Any = None


def _ask(model: Any, family: str, rows: Any) -> Answered:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if family == "transformer":
            return Answered(_dense(model.transform(rows)))
        predicted = _dense(model.predict(rows))
        if family == "classifier" and hasattr(model, "predict_proba"):
            return Answered(predicted, probabilities=model.predict_proba(rows))
        if family == "outlier":
            score = getattr(model, "decision_function", None) or model.score_samples
            return Answered(predicted, scores=score(rows))
        return Answered(predicted)


def _shape(model: Any, family: str, answered: Answered) -> tuple[Kind, dict[str, list[Any]]]:
    """The kind of the answers, and one list an output."""
    rows = answered.rows
    kind = find_kind(model, family, rows)
    if kind.task in ("transformer", "multi-regressor"):
        return kind, {"values": _numbers(_floats(model, rows))}
    if kind.task == "regressor":
        return kind, {"values": _numbers(_floats(model, rows).reshape(len(rows)))}
    if kind.task == "outlier":
        scores = np.asarray(answered.scores, dtype=np.float64).reshape(len(rows))
        return kind, {"labels": [int(label) for label in rows], "scores": _numbers(scores)}
    if kind.task == "clusterer":
        return kind, {"labels": [int(label) for label in rows]}
    if kind.task == "multi-classifier":
        assert kind.classes_by_output is not None  # noqa: S101
        labels = [_labels(row, kind.classes_by_output) for row in rows.tolist()]
        shares = _side_by_side(answered.probabilities, kind.classes_by_output)
        return kind, {"labels": labels, **({} if shares is None else {"probabilities": _numbers(shares)})}
    shares = answered.probabilities
    given = {} if shares is None else {"probabilities": _numbers(np.asarray(shares, dtype=np.float64))}
    return kind, {"labels": [plain(value) for value in rows.reshape(len(rows))], **given}


def _dense(answered: Any) -> np.ndarray:
    return np.asarray(answered.toarray() if hasattr(answered, "toarray") else answered)


def _floats(model: Any, rows: np.ndarray) -> np.ndarray:
    try:
        return rows.astype(np.float64)
    except (TypeError, ValueError):
        raise Unusable(
            "the model answers text",
            f"the output of {type(model).__name__} holds values that are no numbers",
            "Package a model whose output is numeric, such as the pipeline with its encoder.",
        ) from None


def _labels(row: list[Any], classes_by_output: list[list[Any]]) -> list[Any]:
    """The classes themselves: a chain answers 1.0 for the class 1."""
    return [classes[classes.index(label)] for label, classes in zip(row, classes_by_output)]


def _side_by_side(shares: Any, classes_by_output: list[list[Any]]) -> np.ndarray | None:
    """Probabilities of all outputs, double [rows, all classes].

    From one array an output, or from one array with the probability of each output's second class; any other
    shape tells no class apart, and gives none.
    """
    if isinstance(shares, list):
        return np.hstack([np.asarray(each, dtype=np.float64) for each in shares])
    if shares is None or any(len(classes) != len(INDICATOR) for classes in classes_by_output):
        return None
    second = _dense(shares).astype(np.float64)
    return np.stack([1 - second, second], axis=2).reshape(len(second), -1)


def model_input(model: Any, fields: list[dict[str, Any]], columns: dict[str, list[Any]]) -> Any:
    """Rows as the original takes them: a data frame where it knows names, else an array.

    Numbers are float64 with NaN for missing; a missing string is what the fitted steps call missing. A model that
    begins with a vectorizer of texts or of records takes a list of these.
    """
    if takes_texts(model):
        return columns[fields[0]["name"]]
    if record_names(model) is not None:
        return records([field["name"] for field in fields], columns)
    arrays = {field["name"]: _array(field, columns[field["name"]]) for field in fields}
    if getattr(model, "feature_names_in_", None) is not None:
        import pandas as pd

        # The dtype is named, for pandas 3 would make text of objects, and NaN of None, which encoders tell apart.
        series = {name: pd.Series(array, dtype=array.dtype) for name, array in arrays.items()}
        for field in fields:
            if field["categories"] is not None:
                series[field["name"]] = _categorical(field["categories"], columns[field["name"]])
        return pd.DataFrame(series)
    if all(array.dtype == np.float64 for array in arrays.values()):
        return np.column_stack(list(arrays.values()))
    return np.column_stack([array.astype(object) for array in arrays.values()])


def _array(field: dict[str, Any], values: list[Any]) -> np.ndarray:
    if field["dtype"] in ("string", "bool"):
        missing = missing_marker(field)
        filled = [missing if value is None else value for value in values]
        if field["dtype"] == "bool" and None not in values:
            return np.array(filled, dtype=bool)
        array = np.empty(len(filled), dtype=object)
        array[:] = filled
        return array
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _categorical(categories: list[Any], values: list[Any]) -> Any:
    """The values as pandas' categories: those of the training first, then what was never seen there."""
    import pandas as pd

    unseen = [value for value in dict.fromkeys(values) if value is not None and value not in categories]
    return pd.Series(pd.Categorical(values, categories=[*categories, *unseen]))


def missing_marker(field: dict[str, Any]) -> Any:
    """What the original sees where a string is missing: None or NaN, whichever it was trained with."""
    return None if field["missing_is_none"] else float("nan")


def _numbers(values: np.ndarray) -> list[Any]:
    """As lists; JSON has no infinities, so they travel as text."""
    if np.isfinite(values).all():
        plainly: list[Any] = values.tolist()
        return plainly
    return [_numbers(value) if isinstance(value, np.ndarray) else _number(value) for value in values]


def _number(value: Any) -> Any:
    return float(value) if math.isfinite(value) else str(value)
