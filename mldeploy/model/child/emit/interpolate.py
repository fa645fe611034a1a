"""Straight lines between knots, and what is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from . import scores
from .graph import columns_of
from .piecewise import normal_quantile
from .registry import Prediction, numeric_matrix, predictor, transformer

if TYPE_CHECKING:
    from .graph import Column, Graph

# For normal output scikit-learn takes values this near to an end to lie there, and ranks to lie this far from 0 and 1.
NEAR_AN_END = 1e-7
LEAST_SHARE = float(NEAR_AN_END - np.spacing(1))


@transformer("sklearn.preprocessing:QuantileTransformer")
def quantiles(graph: Graph, estimator: Any, columns: list[Column]) -> list[Column]:
    """A value's rank, or the normal quantile of it: where several quantiles are equal, the middle of their ranks."""
    normal = estimator.output_distribution == "normal"
    ranks = np.asarray(estimator.references_, dtype=np.float64)
    parts = []
    for place, column in enumerate(columns):
        knots = np.asarray(estimator.quantiles_[:, place], dtype=np.float64)
        value = numeric_matrix(graph, estimator, [column])
        upper = interpolated(graph, value, knots, ranks)
        lower = interpolated(graph, graph.add("Neg", value), -knots[::-1], -ranks[::-1])
        middle = graph.add("Mul", graph.add("Sub", upper, lower), 0.5)
        at_end, at_start = graph.add("Equal", value, float(knots[-1])), graph.add("Equal", value, float(knots[0]))
        if normal:
            at_end = graph.add("Greater", graph.add("Add", value, NEAR_AN_END), float(knots[-1]))
            at_start = graph.add("Less", graph.add("Sub", value, NEAR_AN_END), float(knots[0]))
        middle = graph.add("Where", at_start, 0.0, graph.add("Where", at_end, 1.0, middle))
        if normal:
            middle = normal_quantile(graph, graph.add("Clip", middle, LEAST_SHARE, 1.0 - LEAST_SHARE))
        parts.append(graph.add("Where", graph.add("IsNaN", value), value, middle))
    return [column for part in parts for column in columns_of(part, 1)]


@predictor("sklearn.isotonic:IsotonicRegression")
def isotonic(graph: Graph, model: Any, x: str) -> Prediction:
    """Between the steps a line; beyond the ends level, or not a number, or refused by the original."""
    knots, heights = model.X_thresholds_, model.y_thresholds_
    value = interpolated(graph, x, knots, heights)
    if model.out_of_bounds == "nan" and len(knots) > 1:
        inside = graph.add("Equal", graph.add("Clip", x, float(model.X_min_), float(model.X_max_)), x)
        value = graph.add("Where", inside, value, np.nan)
    return Prediction(value=scores.flat(graph, value))


def interpolated(graph: Graph, value: str, knots: np.ndarray, heights: np.ndarray) -> str:
    """Straight lines between rising knots and level beyond them, for double [rows, 1].

    Of equal knots the last one holds.
    """
    knots, heights = np.asarray(knots, dtype=np.float64), np.asarray(heights, dtype=np.float64)
    if len(knots) == 1:
        return graph.add("Add", graph.add("Mul", value, 0.0), float(heights[0]))
    widths = np.diff(knots)
    slopes = np.diff(heights) / np.where(widths == 0, np.inf, widths)
    clipped = graph.add("Clip", value, float(knots[0]), float(knots[-1]))
    reached = graph.cast(graph.add("GreaterOrEqual", clipped, knots[None, 1:-1]), TensorProto.DOUBLE)
    # The row of zeros in front keeps the sum defined where there are but two knots.
    counted = graph.add("Concat", graph.add("Mul", clipped, 0.0), reached, axis=1)
    segment = graph.cast(graph.add("ReduceSum", counted, np.array([1]), keepdims=1), TensorProto.INT64)
    start, height, slope = (graph.add("Gather", table, segment, axis=0) for table in (knots[:-1], heights[:-1], slopes))
    line = graph.add("Add", graph.add("Mul", slope, graph.add("Sub", clipped, start)), height)
    line = graph.add("Where", graph.add("GreaterOrEqual", value, float(knots[-1])), float(heights[-1]), line)
    return graph.add("Where", graph.add("Less", value, float(knots[0])), float(heights[0]), line)
