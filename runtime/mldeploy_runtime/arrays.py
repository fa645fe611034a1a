"""Columns of Python values -> the graph's input tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mldeploy_runtime.bundle import Manifest, Tensor
    from mldeploy_runtime.contract import Row

    Fill = Callable[["Feed", list[Row]], None]

Array = np.ndarray[Any, Any]
Feed = dict[str, Array]

DTYPES: dict[str, type[Any]] = {
    "float32": np.float32,
    "float64": np.float64,
    "int64": np.int64,
    "bool": np.bool_,
    "string": object,
}


def feed_of(manifest: Manifest) -> Callable[[list[Row]], Feed]:
    """A function from columns, one tuple of values for each of the manifest's inputs, to one array a tensor.

    Each array is contiguous, of shape [rows, len(tensor.fields)]. None becomes NaN, in strings `missing_string`.
    """
    tensors = manifest.graph.tensors
    # Most graphs take one tensor a field: numbers of one dtype then become arrays together, which costs a fraction.
    singles = {
        dtype: [tensor for tensor in tensors if tensor.dtype == dtype and len(tensor.fields) == 1]
        for dtype in ("float32", "float64", "int64", "bool")
    }
    fillers = [_fill_together(group, manifest) for group in singles.values() if group]
    fillers += [_fill(tensor, manifest) for tensor in tensors if tensor not in singles.get(tensor.dtype, ())]

    def feed(columns: list[Row]) -> Feed:
        arrays: Feed = {}
        # A number beyond float32 reaches a float32 model as infinity, without numpy's warning.
        with np.errstate(over="ignore"):
            for fill in fillers:
                fill(arrays, columns)
        return arrays

    return feed


def _fill_together(tensors: list[Tensor], manifest: Manifest) -> Fill:
    """Tensors of one dtype and one field each: rows of one array."""
    names = [tensor.name for tensor in tensors]
    picked = _positions(manifest, [tensor.fields[0] for tensor in tensors])
    dtype = DTYPES[tensors[0].dtype]

    def fill(arrays: Feed, columns: list[Row]) -> None:
        together = np.array([columns[index] for index in picked], dtype=dtype)
        arrays.update(zip(names, together[:, :, None], strict=True))

    return fill


def _fill(tensor: Tensor, manifest: Manifest) -> Fill:
    """A tensor of several fields, or of strings."""
    picked = _positions(manifest, tensor.fields)
    dtype = DTYPES[tensor.dtype]
    missing = manifest.graph.missing_string

    def with_text(column: Row) -> Row:
        return tuple(missing if value is None else value for value in column) if None in column else column

    def fill(arrays: Feed, columns: list[Row]) -> None:
        chosen = [columns[index] for index in picked]
        if dtype is object:
            chosen = [with_text(column) for column in chosen]
        arrays[tensor.name] = np.ascontiguousarray(np.array(chosen, dtype=dtype).T)

    return fill


def _positions(manifest: Manifest, names: Iterable[str]) -> list[int]:
    index = {field.name: position for position, field in enumerate(manifest.inputs)}
    return [index[name] for name in names]
