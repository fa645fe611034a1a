"""CSV (RFC 4180, UTF-8): a head line with the fields' names, then a line a row."""

from __future__ import annotations

import csv
import io
import math
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from mldeploy_runtime.problems import FieldError, Problem, too_many_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from mldeploy_runtime.bundle import Manifest

MEDIA = "text/csv"
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
# No more digits than 64 bits surely hold.
INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def read(body: bytes, manifest: Manifest, max_rows: int) -> dict[str, list[Any]]:
    """The table of a body. An empty cell is missing, for CSV cannot tell it from an empty text; a number is written as
    in JSON; a cell that does not fit its field stays text, for the contract to refuse. Blank lines are passed over.
    """
    try:
        text = body.decode("utf-8-sig")  # spreadsheets put a byte order mark before it
        lines = (row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row)
        head, *rows = islice(lines, max_rows + 2)
    except UnicodeDecodeError:
        raise Problem("malformed-body", "The body holds bytes that are not UTF-8.") from None
    except csv.Error as failure:
        raise Problem("malformed-body", f"The body is no CSV: {failure}.") from None
    except ValueError:
        raise Problem("malformed-body", "The body is empty: the first line names the fields.") from None
    if len(rows) > max_rows:
        raise too_many_rows(max_rows)
    if len(set(head)) < len(head):
        twice = next(name for name in head if head.count(name) > 1)
        raise _invalid(FieldError("the column twice", "each column once", field=twice))
    for number, row in enumerate(rows):
        if len(row) != len(head):
            raise _invalid(FieldError(f"{len(row):,} cells", f"{len(head):,} as in the first line", row=number))
    parsers = {field.name: PARSERS[field.dtype] for field in manifest.inputs}
    columns = zip(*rows, strict=True) if rows else [()] * len(head)
    return {
        name: [None if cell == "" else parse(cell) for cell in column]
        for name, column, parse in zip(head, columns, (parsers.get(name, str) for name in head), strict=True)
    }


def write(table: dict[str, list[Any]]) -> bytes:
    """The body of a table."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(table)
    writer.writerows([_cell(value) for value in row] for row in zip(*table.values(), strict=True))
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _float(cell: str) -> float | str:
    value = float(cell) if NUMBER.fullmatch(cell) else math.nan
    return value if math.isfinite(value) else cell


def _int(cell: str) -> int | str:
    return int(cell) if INTEGER.fullmatch(cell) else cell


PARSERS: dict[str, Callable[[str], Any]] = {
    "float": _float,
    "int": _int,
    "bool": lambda cell: BOOLEANS.get(cell, cell),
    "string": str,
}


def _invalid(error: FieldError) -> Problem:
    return Problem("invalid-input", "1 thing in the input did not fit.", errors=(error,))
