"""Arrow's IPC stream, where pyarrow is installed: its 165 MB are in no image that does not need them itself."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

from mldeploy_runtime.problems import FieldError, Problem, too_many_rows

if TYPE_CHECKING:
    from mldeploy_runtime.bundle import Manifest

MEDIA = "application/vnd.apache.arrow.stream"
# Places in the tables of Arrow's Message.fbs.
HEADER_OF_MESSAGE, BATCH_OF_DICTIONARY, COMPRESSION_OF_BATCH = 2, 1, 3


def read(body: bytes, manifest: Manifest, max_rows: int) -> dict[str, list[Any]]:
    """The table of a body. A null, and NaN in a column of numbers, is missing. Each column has the type of its field:
    floats or integers for a number, integers for an integer, booleans, or strings, dictionary-encoded or not."""
    pa = _pyarrow()
    try:
        for message in pa.ipc.MessageReader.open_stream(body):
            if _is_compressed(message):
                raise Problem("malformed-body", "Send Arrow's buffers uncompressed, and the body as gzip if need be.")
        table = pa.ipc.open_stream(body).read_all()
        table.validate(full=True)
        names = table.column_names
    except (pa.ArrowException, OSError, ValueError, struct.error) as failure:
        raise Problem("malformed-body", f"The body is no Arrow IPC stream: {failure}.") from None
    # Before a row becomes an object: eight booleans take one byte here.
    if table.num_rows > max_rows:
        raise too_many_rows(max_rows)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise _invalid(FieldError("the column twice", "each column once", field=twice))
    fits = _fits(pa)
    for field in manifest.inputs:
        if field.name in names and not fits[field.dtype](table.schema.field(field.name).type):
            got = f"a column of {table.schema.field(field.name).type}"
            raise _invalid(FieldError(got, f"a column for the {field.dtype} field", field=field.name))
    # A column that is no field is refused by its name alone, whatever is in it.
    known = {field.name for field in manifest.inputs}
    return {name: _values(table.column(name)) if name in known else [] for name in names}


def write(table: dict[str, list[Any]]) -> bytes:
    """The body of a table."""
    pa = _pyarrow()
    made = pa.table(table)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, made.schema) as writer:
        writer.write_table(made)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def _pyarrow() -> Any:
    try:
        import pyarrow.ipc
    except ImportError:
        detail = "This server has no pyarrow, which would take 165 MB: send and accept text/csv or application/json."
        raise Problem("unsupported-type", detail) from None
    return pyarrow


def _fits(pa: Any) -> dict[str, Any]:
    """Whether a column of a type can hold a field's values, by the field's dtype."""
    types = pa.types

    def is_text(kind: Any) -> bool:
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))

    return {
        "float": lambda kind: types.is_floating(kind) or types.is_integer(kind),
        "int": types.is_integer,
        "bool": types.is_boolean,
        "string": is_text,
    }


def _values(column: Any) -> list[Any]:
    """A number that is not finite stays out of JSON: NaN is missing, and infinity a text for the contract to refuse."""
    return [_plain(value) if isinstance(value, float) else value for value in column.to_pylist()]


def _plain(value: float) -> float | str | None:
    if math.isinf(value):
        return str(value)
    return None if math.isnan(value) else value


def _is_compressed(message: Any) -> bool:
    """Whether the message's buffers are compressed, which could make any size of a small body."""
    if message.type not in ("record batch", "dictionary"):
        return False
    data = message.metadata.to_pybytes()
    (root,) = struct.unpack_from("<I", data)
    batch = _follow(data, _place(data, root, HEADER_OF_MESSAGE))
    if message.type == "dictionary":
        batch = _follow(data, _place(data, batch, BATCH_OF_DICTIONARY))
    return _place(data, batch, COMPRESSION_OF_BATCH) != 0


def _place(data: bytes, table: int, field: int) -> int:
    """Where a field of a FlatBuffers table is; 0 when it is left out."""
    (to_vtable,) = struct.unpack_from("<i", data, table)
    vtable = table - to_vtable
    (size,) = struct.unpack_from("<H", data, vtable)
    entry = 4 + 2 * field
    if entry >= size:
        return 0
    (offset,) = struct.unpack_from("<H", data, vtable + entry)
    return table + offset if offset else 0


def _follow(data: bytes, place: int) -> int:
    (offset,) = struct.unpack_from("<I", data, place)
    return place + int(offset)


def _invalid(error: FieldError) -> Problem:
    return Problem("invalid-input", "1 thing in the input did not fit.", errors=(error,))
