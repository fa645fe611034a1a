"""The original's answers to rows."""

from __future__ import annotations

import math
import statistics
import time
import warnings
from typing import Any

import numpy as np

from .opening import Unusable, plain


def answer_rows(model: Any, task: str, fields: list[dict[str, Any]], columns: dict[str, list[Any]]) -> dict[str, Any]:
    """Answer every row that the original accepts.

    Gives `labels` and, where there are any, `probabilities` [rows][classes]; or `values`; with null in the
    rows it refuses, and `refused`: {row number: why}.
    """
    rows = len(next(iter(columns.values())))
    outputs: dict[str, list[Any]] = {}
    refused: dict[int, str] = {}
    for start, stop, answer in _answer_range(model, task, fields, columns, 0, rows):
        if isinstance(answer, str):
            refused[start] = answer
            continue
        for name, values in answer.items():
            outputs.setdefault(name, [None] * rows)[start:stop] = values
    return {"outputs": outputs, "refused": refused}


def median_seconds(model: Any, task: str, rows: Any, repeats: int) -> float:
    """How long the original takes to answer `rows` at once; 0 where it refuses one of them."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        try:
            _ask(model, task, rows)
        except Exception:
            return 0.0
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def _answer_range(
    model: Any, task: str, fields: list[dict[str, Any]], columns: dict[str, list[Any]], start: int, stop: int
) -> list[tuple[int, int, Any]]:
    """Answers to rows [start, stop), halved until each refused row stands alone."""
    try:
        chosen = {name: values[start:stop] for name, values in columns.items()}
        return [(start, stop, _ask(model, task, model_input(model, fields, chosen)))]
    except Unusable:
        raise
    except Exception as failure:
        # The original may refuse a row with any exception; which ones it refuses is what is asked here.
        if stop - start == 1:
            return [(start, stop, f"{type(failure).__name__}: {failure}")]
    middle = (start + stop) // 2
    return _answer_range(model, task, fields, columns, start, middle) + _answer_range(
        model, task, fields, columns, middle, stop
    )


def _ask(model: Any, task: str, rows: Any) -> dict[str, list[Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predicted = np.asarray(model.predict(rows))
        if task == "regressor":
            values = predicted.astype(np.float64)
            if values.ndim == 2 and values.shape[1] == 1:
                values = values[:, 0]
            if values.ndim != 1:
                raise Unusable(
                    "the model predicts several values a row",
                    f"its predict() answers an array of shape {predicted.shape}",
                    "Package one model a value.",
                )
            return {"values": [_number(value) for value in values.tolist()]}
        answer = {"labels": [plain(value) for value in predicted]}
        if hasattr(model, "predict_proba"):
            probabilities = np.asarray(model.predict_proba(rows), dtype=np.float64)
            answer["probabilities"] = [[_number(value) for value in row] for row in probabilities.tolist()]
        return answer


def model_input(model: Any, fields: list[dict[str, Any]], columns: dict[str, list[Any]]) -> Any:
    """Rows as the original takes them: a data frame where it knows names, else an array.

    Numbers are float64 with NaN for missing; a missing string is what the fitted steps call missing.
    """
    arrays = {field["name"]: _array(field, columns[field["name"]]) for field in fields}
    if getattr(model, "feature_names_in_", None) is not None:
        import pandas as pd

        # The dtype is named, for pandas 3 would make text of objects, and NaN of None, which encoders tell apart.
        return pd.DataFrame({name: pd.Series(array, dtype=array.dtype) for name, array in arrays.items()})
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


def missing_marker(field: dict[str, Any]) -> Any:
    """What the original sees where a string is missing: None or NaN, whichever it was trained with."""
    return None if field["missing_is_none"] else float("nan")


def _number(value: float) -> Any:
    return value if math.isfinite(value) else str(value)
