"""Scalers. The arithmetic is scikit-learn's own, operation by operation, so that values at thresholds stay equal."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import entries
from .graph import Column, Graph, columns_of
from .registry import numeric_matrix, require, transformer


@transformer("sklearn.preprocessing:StandardScaler")
def standard_scaler(graph: Graph, scaler: Any, columns: list[Column]) -> list[Column]:
    return _shift_and_divide(
        graph, scaler, columns, scaler.mean_ if scaler.with_mean else None, scaler.scale_ if scaler.with_std else None
    )


@transformer("sklearn.preprocessing:RobustScaler")
def robust_scaler(graph: Graph, scaler: Any, columns: list[Column]) -> list[Column]:
    return _shift_and_divide(
        graph,
        scaler,
        columns,
        scaler.center_ if scaler.with_centering else None,
        scaler.scale_ if scaler.with_scaling else None,
    )


@transformer("sklearn.preprocessing:MaxAbsScaler")
def max_abs_scaler(graph: Graph, scaler: Any, columns: list[Column]) -> list[Column]:
    scaled = _shift_and_divide(graph, scaler, columns, None, scaler.scale_)
    if not getattr(scaler, "clip", False):
        return scaled
    return columns_of(graph.add("Clip", graph.matrix(scaled), -1.0, 1.0), len(columns))


@transformer("sklearn.preprocessing:MinMaxScaler")
def min_max_scaler(graph: Graph, scaler: Any, columns: list[Column]) -> list[Column]:
    tensor = graph.add("Mul", numeric_matrix(graph, scaler, columns), scaler.scale_)
    tensor = graph.add("Add", tensor, scaler.min_)
    if scaler.clip:
        low, high = scaler.feature_range
        tensor = graph.add("Clip", tensor, float(low), float(high))
    return columns_of(tensor, len(columns))


@transformer("sklearn.preprocessing:Normalizer")
def normalizer(graph: Graph, scaler: Any, columns: list[Column]) -> list[Column]:
    tensor = numeric_matrix(graph, scaler, columns)
    stored = entries.stored(graph, tensor)
    if stored is not None and scaler.norm in ("l1", "l2"):
        return columns_of(entries.matrix(graph, entries.normalised(graph, stored, scaler.norm)), len(columns))
    axis = np.array([1])
    if scaler.norm == "l1":
        size = graph.add("ReduceSum", graph.add("Abs", tensor), axis, keepdims=1)
    elif scaler.norm == "l2":
        size = graph.add("Sqrt", graph.add("ReduceSum", graph.add("Mul", tensor, tensor), axis, keepdims=1))
    else:
        require(scaler.norm == "max", scaler, f"norm={scaler.norm!r}")
        size = graph.add("ReduceMax", graph.add("Abs", tensor), axis, keepdims=1)
    size = graph.add("Where", graph.add("Equal", size, 0.0), 1.0, size)
    return columns_of(graph.add("Div", tensor, size), len(columns))


def _shift_and_divide(graph: Graph, scaler: Any, columns: list[Column], shift: Any, scale: Any) -> list[Column]:
    tensor = numeric_matrix(graph, scaler, columns)
    if shift is not None:
        tensor = graph.add("Sub", tensor, np.asarray(shift, dtype=np.float64))
    if scale is not None:
        tensor = graph.add("Div", tensor, np.asarray(scale, dtype=np.float64))
    return columns_of(tensor, len(columns))
