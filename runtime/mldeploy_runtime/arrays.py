"""Columns of Python values -> the graph's input tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from mldeploy_runtime.bundle import Manifest, Tensor
    from mldeploy_runtime.contract import Row

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
    packers = [(tensor.name, _packer(tensor, manifest)) for tensor in manifest.graph.tensors]

    def feed(columns: list[Row]) -> Feed:
        return {name: pack(columns) for name, pack in packers}

    return feed


def _packer(tensor: Tensor, manifest: Manifest) -> Callable[[list[Row]], Array]:
    positions = {field.name: index for index, field in enumerate(manifest.inputs)}
    picked = [positions[name] for name in tensor.fields]
    dtype = DTYPES[tensor.dtype]
    may_miss_strings = dtype is object and any(manifest.inputs[index].nullable for index in picked)
    missing = manifest.graph.missing_string

    def pack(columns: list[Row]) -> Array:
        chosen = [columns[index] for index in picked]
        if may_miss_strings:
            chosen = [tuple(missing if value is None else value for value in column) for column in chosen]
        return np.ascontiguousarray(np.array(chosen, dtype=dtype).T)

    def pack_narrow(columns: list[Row]) -> Array:
        # A number beyond float32 reaches a float32 model as infinity, without numpy's warning.
        with np.errstate(over="ignore"):
            return pack(columns)

    return pack_narrow if dtype is np.float32 else pack
