"""Piecewise polynomials: splines, and smooth functions that onnxruntime has no double operator for."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Callable

import numpy as np
from onnx import TensorProto

from .graph import columns_of
from .registry import numeric_matrix, require, transformer

if TYPE_CHECKING:
    from .graph import Column, Graph


@transformer("sklearn.preprocessing:SplineTransformer")
def splines(graph: Graph, estimator: Any, columns: list[Column]) -> list[Column]:
    """B-splines of each column: those of one column are polynomials between its knots."""
    require(estimator.degree > 0, estimator, "degree=0")
    result: list[Column] = []
    for place, spline in enumerate(estimator.bsplines_):
        raw = numeric_matrix(graph, estimator, [columns[place]])
        absent = graph.add("IsNaN", raw)
        low, high = float(spline.t[spline.k]), float(spline.t[-spline.k - 1])
        value = graph.add("Where", absent, low, raw)
        knots = np.unique(spline.t[spline.k : len(spline.t) - spline.k])
        table = np.stack([_polynomials(spline, *ends) for ends in zip(knots[:-1], knots[1:])])
        if estimator.extrapolation == "periodic":
            beyond = graph.add("Mod", graph.add("Sub", value, low), high - low, fmod=1)
            beyond = graph.add("Where", graph.add("Less", beyond, 0.0), graph.add("Add", beyond, high - low), beyond)
            value = graph.add("Add", beyond, low)
        elif estimator.extrapolation == "constant":
            value = graph.add("Clip", value, low, high)
        elif estimator.extrapolation == "linear":
            knots, table = _with_straight_ends(knots, table)
        basis = piecewise(graph, value, knots, table)
        basis = graph.add("Where", absent, 0.0, basis)
        kept = table.shape[2] - (0 if estimator.include_bias else 1)
        result.extend(columns_of(basis, table.shape[2])[:kept])
    return result


def piecewise(graph: Graph, value: str, knots: np.ndarray, table: np.ndarray) -> str:
    """Polynomials in the distance from the last knot, for double [rows, 1]: double [rows, outputs].

    `table` is [pieces, powers, outputs]; the first and the last piece go on beyond their ends.
    """
    inner = knots[1:-1]
    # The zeros in front keep the sum defined where there is but one piece.
    counted = graph.add("Mul", graph.cast(graph.add("IsNaN", value), TensorProto.DOUBLE), 0.0)
    if len(inner):
        reached = graph.cast(graph.add("GreaterOrEqual", value, inner[None, :]), TensorProto.DOUBLE)
        counted = graph.add("Concat", counted, reached, axis=1)
    piece = graph.cast(graph.add("ReduceSum", counted, np.array([1]), keepdims=0), TensorProto.INT64)
    start = graph.add("Gather", knots[:-1].reshape(-1, 1), piece, axis=0)
    beyond = graph.add("Sub", value, start)
    result = graph.add("Gather", table[:, -1], piece, axis=0)
    for power in range(table.shape[1] - 2, -1, -1):
        factor = graph.add("Gather", table[:, power], piece, axis=0)
        result = graph.add("Add", graph.add("Mul", result, beyond), factor)
    return result


def error_function(graph: Graph, tensor: str) -> str:
    """erf of a double tensor [rows, n], for onnxruntime has it for float32 alone."""
    size = _tabulated(graph, graph.add("Abs", tensor), math.erf, np.linspace(0.0, 6.0, 25))
    return graph.add("Mul", graph.add("Sign", tensor), size)


def normal_quantile(graph: Graph, share: str) -> str:
    """The inverse of the normal distribution, double [rows, n], of shares from 1e-7 to 1 - 1e-7.

    The square root of the logarithm of the tail makes of it nearly a straight line.
    """
    tail = graph.add("Min", share, graph.add("Sub", 1.0, share))
    root = graph.add("Sqrt", graph.add("Mul", graph.add("Log", tail), -2.0))
    size = _tabulated(graph, root, _quantile_of_root, np.linspace(math.sqrt(2 * math.log(2)), 5.8, 33))
    return graph.add("Where", graph.add("Less", share, 0.5), graph.add("Neg", size), size)


def _quantile_of_root(root: float) -> float:
    return -NormalDist().inv_cdf(min(math.exp(-root * root / 2), 0.5))


def _tabulated(graph: Graph, tensor: str, function: Callable[[float], float], knots: np.ndarray) -> str:
    """A smooth function between the first and the last knot and level beyond, to the digits of a double."""
    table = np.stack([_fitted(np.vectorize(function), *ends, degree=10) for ends in zip(knots[:-1], knots[1:])])
    shape = graph.add("Shape", tensor)
    value = graph.add("Clip", graph.add("Reshape", tensor, np.array([-1, 1])), float(knots[0]), float(knots[-1]))
    return graph.add("Reshape", piecewise(graph, value, knots, table), shape)


def _polynomials(spline: Any, low: float, high: float) -> np.ndarray:
    return _fitted(lambda points: spline(points), low, high, degree=int(spline.k))


def _fitted(function: Callable[[np.ndarray], Any], low: float, high: float, degree: int) -> np.ndarray:
    """The polynomial in `x - low` through a function's values between two knots: [powers, outputs]."""
    spread = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    points = low + (high - low) * (spread + 1) / 2
    values = np.asarray(function(points), dtype=np.float64).reshape(degree + 1, -1)
    scaled = np.linalg.solve(np.vander((points - low) / (high - low), increasing=True), values)
    return np.asarray(scaled / (high - low) ** np.arange(degree + 1)[:, None])


def _with_straight_ends(knots: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A piece more at either end, that goes on straight; each takes its slope where it begins."""
    width = knots[-1] - knots[-2]
    powers = np.arange(table.shape[1])[:, None]
    value = (table[-1] * width**powers).sum(axis=0)
    slope = (table[-1][1:] * powers[1:] * width ** (powers[1:] - 1)).sum(axis=0)
    first, last = np.zeros_like(table[0]), np.zeros_like(table[0])
    first[0], first[1] = table[0][0] - table[0][1], table[0][1]
    last[0], last[1] = value, slope
    longer = np.concatenate([[knots[0] - 1.0], knots, [knots[-1] + 1.0]])
    return longer, np.concatenate([first[None], table, last[None]])
