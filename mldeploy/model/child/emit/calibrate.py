"""Calibrated classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from . import scores
from .ensembles import response
from .registry import Prediction, composite, predict, require

if TYPE_CHECKING:
    from .graph import Column, Graph


@composite("sklearn.calibration:CalibratedClassifierCV")
def calibrated(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    members = [_calibrated_member(graph, each, columns) for each in model.calibrated_classifiers_]
    probabilities = scores.mean(graph, members)
    return Prediction(scores.top_index(graph, probabilities), probabilities)


def _calibrated_member(graph: Graph, member: Any, columns: list[Column]) -> str:
    estimator, classes = member.estimator, len(member.classes)
    require(len(estimator.classes_) == classes, estimator, "folds that have not seen every class")
    require(member.method in ("sigmoid", "isotonic"), estimator, f"calibration by {member.method}")
    tensor, are_shares = response(predict(graph, estimator, columns), estimator, ("decision_function", "predict_proba"))
    if classes == 2:
        score = scores.column(graph, tensor, 1) if are_shares else tensor
        return scores.binary_probabilities(graph, _calibrate(graph, member.calibrators[0], score))
    parts = [
        _calibrate(graph, calibrator, scores.column(graph, tensor, place))
        for place, calibrator in enumerate(member.calibrators)
    ]
    shares = scores.shares(graph, graph.add("Concat", *parts, axis=1))
    return graph.add("Where", graph.add("Greater", shares, 1.0), 1.0, shares)


def _calibrate(graph: Graph, calibrator: Any, score: str) -> str:
    """A calibrated probability, double [rows, 1], of a score, double [rows, 1]."""
    if hasattr(calibrator, "a_"):
        steep = graph.add("Add", graph.add("Mul", score, float(calibrator.a_)), float(calibrator.b_))
        return scores.sigmoid(graph, graph.add("Neg", steep))
    return interpolated(graph, score, calibrator.X_thresholds_, calibrator.y_thresholds_)


def interpolated(graph: Graph, value: str, knots: Any, heights: Any) -> str:
    """Straight lines between knots and level beyond them, for double [rows, 1]."""
    knots, heights = np.asarray(knots, dtype=np.float64), np.asarray(heights, dtype=np.float64)
    if len(knots) == 1:
        return graph.add("Add", graph.add("Mul", value, 0.0), float(heights[0]))
    value = graph.add("Clip", value, float(knots[0]), float(knots[-1]))
    reached = graph.cast(graph.add("Greater", value, knots[None, :-1]), TensorProto.INT64)
    passed = graph.add("ReduceSum", reached, np.array([1]), keepdims=1)
    segment = graph.add("Max", graph.add("Sub", passed, np.int64(1)), np.int64(0))
    slopes = np.diff(heights) / np.diff(knots)
    start, height, slope = (graph.add("Gather", table, segment, axis=0) for table in (knots, heights, slopes))
    return graph.add("Add", graph.add("Mul", slope, graph.add("Sub", value, start)), height)
