"""A chunk of a table -> rows as the model takes them, held to the same rules as a request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from mldeploy.errors import UsageError
from mldeploy.model.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldeploy.bundle import Input

EXPECTED = {"float": "a number", "int": "an integer", "bool": "true or false", "string": "text"}
TYPES = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "string": pa.string()}
MOST_CATEGORIES = 8
EXACT_IN_FLOAT64 = 2.0**53


@dataclass(frozen=True, order=True)
class Refusal:
    """A cell that the model does not take; without a field it is the row as a whole."""

    row: int
    field: str
    got: str
    expected: str

    def after(self, rows: int) -> Refusal:
        """The same in a file that has so many rows before this chunk."""
        return replace(self, row=self.row + rows)

    def __str__(self) -> str:
        if not self.field:
            return f"row {self.row}: {self.expected}"
        return f"row {self.row}, {self.field}: {self.got}, and {self.expected} was expected"


def read_rows(inputs: Sequence[Input], batch: pa.RecordBatch) -> tuple[Rows, list[Refusal]]:
    """The chunk's rows, with None for missing, and the cells that the model does not take, which are None too.

    Raises UsageError for a column of a type that its field cannot have.
    """
    columns = {}
    refusals: list[Refusal] = []
    for field in inputs:
        given = batch.column(field.name)
        values = _typed(field, given)
        columns[field.name] = values.to_pylist()
        for row in pc.indices_nonzero(_is_refused(field, given, values)).to_pylist():
            refusals.append(Refusal(row, field.name, _show(given[row]), _expected(field)))
    return Rows(columns, [""] * batch.num_rows), refusals


def _typed(field: Input, given: pa.Array) -> pa.Array:
    """The cells in the field's type; null where they are missing, or are none of it."""
    if pa.types.is_dictionary(given.type):
        given = given.dictionary_decode()
    if pa.types.is_null(given.type):
        return given.cast(TYPES[field.dtype])
    is_text = pa.types.is_string(given.type) or pa.types.is_large_string(given.type)
    if field.dtype == "string" and is_text:
        return given.cast(pa.string())
    if field.dtype == "bool" and pa.types.is_boolean(given.type):
        return given
    is_number = pa.types.is_integer(given.type) or pa.types.is_floating(given.type) or pa.types.is_decimal(given.type)
    if field.dtype in ("float", "int") and is_number:
        return _numbers(field, given)
    if is_text:
        return _parsed(field, given)
    raise UsageError(
        f"the column {field.name} holds {given.type}, and the model takes {EXPECTED[field.dtype]} there",
        remedy="Write the column in the type that the model was trained on.",
    )


def _numbers(field: Input, given: pa.Array) -> pa.Array:
    """Finite numbers of the field's type; anything else is null."""
    numbers = given.cast(pa.float64(), safe=False)
    if field.dtype == "float":
        return _where(pc.is_finite(numbers), numbers)
    whole = pc.and_(pc.equal(numbers, pc.floor(numbers)), pc.less(pc.abs(numbers), EXACT_IN_FLOAT64))
    return _where(whole, numbers).cast(pa.int64())


def _parsed(field: Input, texts: pa.Array) -> pa.Array:
    """Text as the field's type; null where it is not written as one. 41.0 is an integer, as pandas writes them."""
    kind = pa.float64() if field.dtype in ("float", "int") else TYPES[field.dtype]
    try:
        parsed = texts.cast(kind)
    except pa.ArrowInvalid:
        parsed = pa.array([_parse(text, kind) for text in texts], kind)
    return parsed if field.dtype == "bool" else _numbers(field, parsed)


def _parse(text: pa.Scalar, kind: pa.DataType) -> object:
    try:
        return text.cast(kind).as_py()
    except pa.ArrowInvalid:
        return None


def _where(kept: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(kept, values, pa.scalar(None, values.type))


def _is_refused(field: Input, given: pa.Array, values: pa.Array) -> pa.Array:
    """Whether a cell holds something and is none of the field's type, or is missing or unseen and must not be."""
    missing = pc.is_null(given, nan_is_null=pa.types.is_floating(given.type))
    absent = pc.is_null(values)
    refused = pc.and_(absent, pc.invert(missing)) if field.nullable else absent
    if field.unknown != "reject" or field.categories is None:
        return refused
    known = pc.is_in(values, pa.array(field.categories, TYPES[field.dtype]))
    return pc.or_(refused, pc.and_(pc.invert(absent), pc.invert(known)))


def _expected(field: Input) -> str:
    expected = EXPECTED[field.dtype]
    if field.unknown == "reject" and field.categories is not None:
        shown = ", ".join(str(each) for each in field.categories[:MOST_CATEGORIES])
        expected = f"one of {shown}" + (", ..." if len(field.categories) > MOST_CATEGORIES else "")
    return f"{expected}, or nothing" if field.nullable else expected


def _show(cell: pa.Scalar) -> str:
    value = cell.as_py()
    return "nothing" if value is None else repr(value)[:80]
