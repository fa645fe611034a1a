"""Reading the sample: rows like those the model was trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from mldeploy.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from mldeploy.model.rows import Value

DType = Literal["float", "int", "bool", "string"]


@dataclass(frozen=True)
class Sample:
    """The rows of a file, with the dtype of each column as the file has it (None where it tells nothing)."""

    path: Path
    columns: dict[str, list[Value]]
    dtypes: dict[str, DType | None]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))


def read_sample(path: Path) -> Sample:
    """Read a CSV or Parquet file. In a CSV file an empty cell is a missing value, and nothing else is."""
    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        elif path.suffix == ".csv":
            frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
        else:
            raise UsageError(f"{path} is neither .csv nor .parquet", remedy="Save the sample as one of these.")
    except (OSError, ValueError, UnicodeDecodeError) as failure:
        raise UsageError(
            f"the sample {path} cannot be read",
            cause=str(failure).splitlines()[0],
            remedy="Name a CSV file with a header line, or a Parquet file.",
        ) from failure
    if frame.empty:
        raise UsageError(f"the sample {path} has no rows", remedy="A few hundred rows of training data are best.")
    return sample_of(frame, path)


def sample_of(frame: pd.DataFrame, path: Path) -> Sample:
    """A data frame's rows, as read from `path`."""
    frame = frame.rename(columns=str)
    return Sample(
        path,
        {name: [_plain(value) for value in frame[name].tolist()] for name in frame.columns},
        {name: _dtype(frame[name]) for name in frame.columns},
    )


def _dtype(column: pd.Series[Any]) -> DType | None:
    present = column.dropna()
    if present.empty:
        return None
    if pd.api.types.is_bool_dtype(column) or all(isinstance(value, (bool, np.bool_)) for value in present.head(1000)):
        return "bool"
    if pd.api.types.is_integer_dtype(column):
        return "int"
    if pd.api.types.is_numeric_dtype(column):
        return "float"
    return "string"


def _plain(value: Any) -> Value:
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (bool, int, str)):
        return value
    return str(value)
