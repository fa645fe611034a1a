"""Rows to send from a file, typed as the manifest says: rows of a wrong type would be refused before the model."""

from __future__ import annotations

import itertools
import json
import math
from random import Random
from typing import TYPE_CHECKING, Any

import pandas as pd

from mldeploy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mldeploy.bundle import Input

MOST_ROWS = 10_000
VARIATIONS = 1_000
TRUTH = {"true": True, "1": True, "false": False, "0": False}


def read_rows(path: Path, inputs: Sequence[Input]) -> list[dict[str, Any]]:
    """The first 10,000 rows of a .csv or .parquet file as `/predict` takes them; other columns are left out.

    An empty cell of a CSV file is missing, but for a string that may not be. Raises UsageError when the file
    cannot be read, lacks a field, or holds what a field does not take.
    """
    frame = _read(path)
    if lacking := [field.name for field in inputs if field.name not in frame.columns]:
        raise UsageError(f"{path} lacks fields of the model", cause=f"no column {', '.join(lacking)}")
    if frame.empty:
        raise UsageError(f"{path} holds no rows")
    columns = {field.name: [_value(field, cell, path) for cell in frame[field.name].tolist()] for field in inputs}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def vary(rows: Sequence[dict[str, Any]], inputs: Sequence[Input], count: int = VARIATIONS) -> list[dict[str, Any]]:
    """`rows`, then variations of them up to `count` rows in all, so that no cache answers for the model.

    In a variation each field that has a range or categories is, half of the time, another value of these. What
    is missing stays missing, and text that has no categories stays as it is. The same rows come every time.
    """
    random = Random(0)  # noqa: S311 - load, not secrets
    varied = list(rows)
    while len(varied) < count:
        row = rows[len(varied) % len(rows)]
        varied.append({field.name: _another(field, row[field.name], random) for field in inputs})
    return varied


def without_unseen(rows: Sequence[dict[str, Any]], inputs: Sequence[Input]) -> list[dict[str, Any]]:
    """The rows whose every category is one that training saw, or missing."""
    seen = {field.name: {None, *field.categories} for field in inputs if field.categories}
    return [row for row in rows if all(row[name] in values for name, values in seen.items())]


def bodies_of(rows: Sequence[dict[str, Any]], rows_per_request: int) -> tuple[str, ...]:
    """JSON bodies of so many rows each, which between them hold every row at least once."""
    cycle = itertools.cycle(rows)
    requests = math.ceil(len(rows) / rows_per_request)
    return tuple(json.dumps({"instances": list(itertools.islice(cycle, rows_per_request))}) for _ in range(requests))


def _another(field: Input, value: Any, random: Random) -> Any:
    if value is None or random.random() < 0.5:
        return value
    if field.categories:
        return random.choice(field.categories)
    if field.minimum is None or field.maximum is None:
        return value
    if field.dtype == "int":
        return random.randint(math.ceil(field.minimum), math.floor(field.maximum))
    return random.uniform(field.minimum, field.maximum) if field.dtype == "float" else value


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path).head(MOST_ROWS)
        return pd.read_csv(path, dtype=str, keep_default_na=False, nrows=MOST_ROWS)
    except (OSError, ValueError) as failure:
        raise UsageError(
            f"{path} cannot be read", cause=str(failure), remedy="Give a .csv file with a header, or a .parquet file."
        ) from failure


def _value(field: Input, cell: Any, path: Path) -> Any:
    """One cell as JSON has it; `cell` is a string from CSV, any scalar from Parquet."""
    if _is_missing(cell, field):
        return None
    try:
        return CONVERT[field.dtype](cell)
    except (KeyError, ValueError, TypeError) as failure:
        raise UsageError(
            f"{path} holds {cell!r} in {field.name}", cause=f"the model takes {field.dtype} there"
        ) from failure


def _is_missing(cell: Any, field: Input) -> bool:
    if pd.isna(cell):
        return True
    return bool(cell == "") and (field.dtype != "string" or field.nullable)


def _float(cell: Any) -> float:
    number = float(cell)
    if not math.isfinite(number):
        raise ValueError("not a finite number")
    return number


def _int(cell: Any) -> int:
    number = int(cell)
    if isinstance(cell, float) and number != cell:
        raise ValueError("not a whole number")
    return number


def _bool(cell: Any) -> bool:
    return TRUTH[str(cell).lower()]


CONVERT: dict[str, Callable[[Any], Any]] = {"float": _float, "int": _int, "bool": _bool, "string": str}
