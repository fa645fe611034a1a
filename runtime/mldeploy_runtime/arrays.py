"""Rows of Python values -> the graph's input tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mldeploy_runtime.bundle import Manifest, Tensor
    from mldeploy_runtime.contract import Row

# A number beyond float32 reaches a float32 model as infinity; numpy need not warn about it.
np.seterr(over="ignore")

Array = np.ndarray[Any, Any]
Feed = dict[str, Array]

DTYPES: dict[str, type[Any]] = {
    "float32": np.float32,
    "float64": np.float64,
    "int64": np.int64,
    "bool": np.bool_,
    "string": object,
}


def feed_of(manifest: Manifest) -> Callable[[Sequence[Row]], Feed]:
    """A function from rows, their values in the order of the manifest's inputs, to one array a tensor.

    Each array is contiguous, of shape [rows, len(tensor.fields)]. None becomes NaN, in strings `missing_string`.
    """
    packers = [(tensor.name, _packer(tensor, manifest)) for tensor in manifest.graph.tensors]

    def feed(rows: Sequence[Row]) -> Feed:
        columns = list(zip(*rows, strict=True))
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

    return pack
