"""Tables in files: read chunk by chunk, and written as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from mldeploy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CHUNK_ROWS = 10_000
CHUNK_BYTES = 4 << 20
FORMATS = (".csv", ".parquet")


def batches(path: Path, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """These columns of a file, some rows at a time; other columns are left out.

    A CSV file's cells come as text: null where a cell is empty, and the empty string where it is `""`.
    Raises UsageError when the file cannot be read, or lacks a column.
    """
    _require_format(path)
    try:
        yield from _csv(path, names) if path.suffix == ".csv" else _parquet(path, names)
    except (OSError, pa.ArrowException) as failure:
        raise UsageError(
            f"{path} cannot be read",
            cause=str(failure).splitlines()[0],
            remedy="Name a CSV file in UTF-8 with a header line, or a Parquet file.",
        ) from failure


@contextmanager
def writing(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """A function that appends tables of `schema` to the file, which is there once the block has ended well."""
    _require_format(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    except OSError as failure:
        raise UsageError(
            f"{path} cannot be written", cause=failure.strerror or "", remedy="Name a file in a folder that exists."
        ) from failure
    os.close(handle)
    part = Path(name)
    try:
        kind = pa.csv.CSVWriter if path.suffix == ".csv" else pa.parquet.ParquetWriter
        with kind(part, schema) as writer:
            yield writer.write_table
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _csv(path: Path, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    parsing = pa.csv.ParseOptions(newlines_in_values=True)
    reading = pa.csv.ReadOptions(block_size=CHUNK_BYTES)
    with pa.csv.open_csv(path, parse_options=parsing, read_options=reading) as header:
        _require_columns(path, header.schema.names, names)
    as_text = pa.csv.ConvertOptions(
        include_columns=list(names),
        column_types=dict.fromkeys(names, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    with pa.csv.open_csv(path, parse_options=parsing, read_options=reading, convert_options=as_text) as blocks:
        for block in blocks:
            for start in range(0, block.num_rows, CHUNK_ROWS):
                yield block.slice(start, CHUNK_ROWS)


def _parquet(path: Path, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with pa.parquet.ParquetFile(path) as file:
        _require_columns(path, file.schema_arrow.names, names)
        yield from file.iter_batches(CHUNK_ROWS, columns=list(names))


def _require_format(path: Path) -> None:
    if path.suffix not in FORMATS:
        raise UsageError(f"{path} is neither .csv nor .parquet", remedy="Name a file that ends in one of these.")


def _require_columns(path: Path, found: Sequence[str], names: Sequence[str]) -> None:
    if lacking := [name for name in names if name not in found]:
        raise UsageError(
            f"{path} lacks fields of the model",
            cause=f"no column {', '.join(lacking)}; it has {', '.join(found)}",
            remedy="`mldeploy inspect BUNDLE` names the fields.",
        )
    if twice := [name for name in names if list(found).count(name) > 1]:
        raise UsageError(f"{path} has the column {twice[0]} twice", remedy="Leave one of them out.")


def _umask() -> int:
    """The process's mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
