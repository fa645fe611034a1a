"""Matrices that are mostly zeros, written as what they store: what is wide as a hash is no matrix one could hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

if TYPE_CHECKING:
    from .graph import Entries, Graph


def stored(graph: Graph, x: str) -> Entries | None:
    """What the matrix stores, where that is known of it, or of all that it was put together from."""
    if x in graph.entries:
        return graph.entries[x]
    parts = [graph.entries.get(block) for block, _ in graph.blocks.get(x, ())]
    found = [part for part in parts if part is not None]
    if not found or len(found) < len(parts):
        return None
    starts = np.cumsum([0, *(part.width for part in found)])
    columns = [graph.add("Add", part.columns, int(start)) for part, start in zip(found, starts)]
    return replace(
        found[0],
        rows=graph.add("Concat", *(part.rows for part in found), axis=0),
        columns=graph.add("Concat", *columns, axis=0),
        values=graph.add("Concat", *(part.values for part in found), axis=0),
        width=int(starts[-1]),
        signed=any(part.signed for part in found),
        origin=" beside ".join(dict.fromkeys(part.origin for part in found)),
    )


def summed(graph: Graph, entries: Entries) -> Entries:
    """Entries of the same row and column as one, in the order of rows and columns: those that cancel out stay as 0."""
    keys = graph.add("Add", graph.add("Mul", entries.rows, entries.width), entries.columns)
    once, _, place, _ = graph.add_many("Unique", keys, count=4, sorted=1)
    return replace(
        entries,
        rows=graph.add("Div", once, entries.width),
        columns=graph.add("Mod", once, entries.width),
        values=_add_up(graph, graph.add("Shape", once), place, entries.values),
    )


def normalised(graph: Graph, entries: Entries, norm: str) -> Entries:
    """Each row made as long as 1, by the sum of its numbers (`l1`) or of their squares (`l2`); 0 stays 0."""
    squares = graph.add("Mul", entries.values, entries.values)
    parts = graph.add("Abs", entries.values) if norm == "l1" else squares
    total = _add_up(graph, entries.height, entries.rows, parts)
    length = total if norm == "l1" else graph.add("Sqrt", total)
    length = graph.add("Where", graph.add("Equal", length, 0.0), 1.0, length)
    by_entry = graph.add("Gather", length, entries.rows, axis=0)
    return replace(entries, values=graph.add("Div", entries.values, by_entry))


def matrix(graph: Graph, entries: Entries, fill: float = 0.0) -> str:
    """All of it, double [rows, width], with `fill` where nothing is stored.

    The graph's `entries` know it from then on; what takes these in its place leaves the matrix unwritten.
    """
    shape = graph.add("Concat", entries.height, np.array([entries.width]), axis=0)
    places = graph.add("Concat", _upright(graph, entries.rows), _upright(graph, entries.columns), axis=1)
    whole = graph.add("ScatterND", graph.add("Expand", fill, shape), places, entries.values)
    graph.entries[whole] = entries
    return whole


def above(graph: Graph, x: str, threshold: float) -> str:
    """1 where a number is above the threshold, else 0: double [rows, columns]."""
    found = stored(graph, x) if threshold >= 0 else None
    if found is None:
        return graph.cast(graph.add("Greater", x, threshold), TensorProto.DOUBLE)
    values = graph.cast(graph.add("Greater", found.values, threshold), TensorProto.DOUBLE)
    return matrix(graph, replace(found, values=values))


def product(graph: Graph, x: str, weights: Any) -> str:
    """x @ weights: double [rows, outputs], of weights [columns, outputs]."""
    weights = np.asarray(weights, dtype=np.float64)
    blocks = graph.blocks.get(x, [(x, len(weights))])
    if not any(block in graph.entries for block, _ in blocks):
        return graph.add("MatMul", x, weights)
    total, start = "", 0
    for block, width in blocks:
        part = weights[start : start + width]
        entries = graph.entries.get(block)
        found = graph.add("MatMul", block, part) if entries is None else _product(graph, entries, part)
        total = graph.add("Add", total, found) if total else found
        start += width
    return total


def _product(graph: Graph, entries: Entries, weights: np.ndarray) -> str:
    weighed = graph.add("Mul", graph.add("Gather", weights, entries.columns, axis=0), _upright(graph, entries.values))
    shape = graph.add("Concat", entries.height, np.array([weights.shape[1]]), axis=0)
    return _add_up(graph, shape, _upright(graph, entries.rows), weighed, "ScatterND")


def _add_up(graph: Graph, shape: str, places: str, values: str, operator: str = "ScatterElements") -> str:
    """Zeros, with each value added in its place, in the order of the values."""
    return graph.add(operator, graph.add("Expand", 0.0, shape), places, values, reduction="add")


def _upright(graph: Graph, tensor: str) -> str:
    return graph.add("Unsqueeze", tensor, np.array([1]))
