"""Rows to send from a file, typed as the manifest says: rows of a wrong type would be refused before the model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from mldeploy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mldeploy.bundle import Input

MOST_ROWS = 10_000
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
