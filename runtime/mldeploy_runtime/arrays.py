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
    # Most graphs take one tensor a field: those of one dtype become arrays together, which costs a fraction.
    groups = [[tensor for tensor in tensors if tensor.dtype == dtype and len(tensor.fields) == 1] for dtype in DTYPES]
    fillers = [_fill_together(group, manifest) for group in groups if group]
    fillers += [_fill(tensor, manifest) for tensor in tensors if len(tensor.fields) > 1]

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
    pick = _picker(manifest, tensors[0].dtype, [tensor.fields[0] for tensor in tensors])

    def fill(arrays: Feed, columns: list[Row]) -> None:
        arrays.update(zip(names, pick(columns)[:, :, None], strict=True))

    return fill


def _fill(tensor: Tensor, manifest: Manifest) -> Fill:
    """A tensor of several fields."""
    pick = _picker(manifest, tensor.dtype, tensor.fields)

    def fill(arrays: Feed, columns: list[Row]) -> None:
        arrays[tensor.name] = np.ascontiguousarray(pick(columns).T)

    return fill


def _picker(manifest: Manifest, dtype: str, names: Iterable[str]) -> Callable[[list[Row]], Array]:
    """A function from all columns to an array of these fields' values, of shape [fields, rows]."""
    index = {field.name: position for position, field in enumerate(manifest.inputs)}
    picked = [index[name] for name in names]
    missing = manifest.graph.missing_string

    def numbers(columns: list[Row]) -> Array:
        return np.array([columns[index] for index in picked], dtype=DTYPES[dtype])

    def texts(columns: list[Row]) -> Array:
        return np.array([filled(columns[index]) for index in picked], dtype=object)

    def filled(column: Row) -> Row:
        return tuple(missing if text is None else text for text in column) if None in column else column

    return texts if dtype == "string" else numbers
