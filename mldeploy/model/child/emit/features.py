"""Transformers that make new numbers of numbers: bins, products, powers, thresholds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from .graph import columns_of
from .registry import numeric_matrix, require, transformer

if TYPE_CHECKING:
    from .graph import Column, Graph


@transformer("sklearn.preprocessing:Binarizer")
def binarizer(graph: Graph, estimator: Any, columns: list[Column]) -> list[Column]:
    above = graph.add("Greater", numeric_matrix(graph, estimator, columns), float(estimator.threshold))
    return columns_of(graph.cast(above, TensorProto.DOUBLE), len(columns))


@transformer("sklearn.preprocessing:KBinsDiscretizer")
def k_bins(graph: Graph, estimator: Any, columns: list[Column]) -> list[Column]:
    """A value's bin is how many inner edges are at or below it."""
    result: list[Column] = []
    for place, column in enumerate(columns):
        inner = np.asarray(estimator.bin_edges_[place][1:-1], dtype=np.float64)
        value = numeric_matrix(graph, estimator, [column])
        reached = graph.cast(graph.add("GreaterOrEqual", value, inner[None, :]), TensorProto.INT64)
        # A leading zero, for a column may have no inner edge at all.
        start = graph.cast(graph.add("Mul", graph.cast(graph.add("IsNaN", value), TensorProto.DOUBLE), 0.0), 7)
        number = graph.add("ReduceSum", graph.add("Concat", start, reached, axis=1), np.array([1]), keepdims=0)
        if estimator.encode == "ordinal":
            table = np.arange(len(inner) + 1, dtype=np.float64)[:, None]
        else:
            kept = estimator._encoder.categories_[place]
            table = (np.arange(len(inner) + 1)[:, None] == kept[None, :]).astype(np.float64)
        result.extend(columns_of(graph.add("Gather", table, number, axis=0), table.shape[1]))
    return result


@transformer("sklearn.preprocessing:PolynomialFeatures")
def polynomial(graph: Graph, estimator: Any, columns: list[Column]) -> list[Column]:
    """Each output is a product of columns; a column of ones fills up those with fewer factors."""
    x = numeric_matrix(graph, estimator, columns)
    powers = np.asarray(estimator.powers_)
    ones = len(columns)
    factors = [[at for at, power in enumerate(row) for _ in range(power)] for row in powers]
    depth = max((len(row) for row in factors), default=0)
    require(depth > 0, estimator, "degree 0")
    padded = np.array([row + [ones] * (depth - len(row)) for row in factors], dtype=np.int64)
    zeros = graph.add("Mul", graph.cast(graph.add("IsNaN", x), TensorProto.DOUBLE), 0.0)
    one = graph.add("Add", graph.add("ReduceSum", zeros, np.array([1]), keepdims=1), 1.0)
    extended = graph.add("Concat", x, one, axis=1)
    product = graph.add("Gather", extended, padded[:, 0], axis=1)
    for level in range(1, depth):
        product = graph.add("Mul", product, graph.add("Gather", extended, padded[:, level], axis=1))
    return columns_of(product, len(factors))


@transformer("sklearn.preprocessing:PowerTransformer")
def power(graph: Graph, estimator: Any, columns: list[Column]) -> list[Column]:
    x = numeric_matrix(graph, estimator, columns)
    lambdas = np.asarray(estimator.lambdas_, dtype=np.float64)
    raised = _box_cox if estimator.method == "box-cox" else _yeo_johnson
    tensor = raised(graph, x, lambdas)
    if estimator.standardize:
        scaler = estimator._scaler
        tensor = graph.add("Div", graph.add("Sub", tensor, scaler.mean_), scaler.scale_)
    return columns_of(tensor, len(columns))


def _yeo_johnson(graph: Graph, x: str, lambdas: np.ndarray) -> str:
    """Yeo & Johnson (2000): a Box-Cox power of x + 1, and of 1 - x with 2 - lambda for negative x."""
    positive = _box_cox(graph, graph.add("Add", graph.add("Max", x, 0.0), 1.0), lambdas)
    negative = graph.add("Neg", _box_cox(graph, graph.add("Sub", 1.0, graph.add("Min", x, 0.0)), 2.0 - lambdas))
    chosen = graph.add("Where", graph.add("GreaterOrEqual", x, 0.0), positive, negative)
    return graph.add("Where", graph.add("IsNaN", x), x, chosen)


def _box_cox(graph: Graph, x: str, lambdas: np.ndarray) -> str:
    """(x ^ lambda - 1) / lambda, and log(x) where lambda is zero."""
    near_zero = np.abs(lambdas) < np.finfo(np.float64).eps
    logarithm = graph.add("Log", x)
    safe = np.where(near_zero, 1.0, lambdas)
    raised = graph.add("Div", graph.add("Sub", graph.add("Pow", x, safe), 1.0), safe)
    return graph.add("Where", near_zero, logarithm, raised) if near_zero.any() else raised
