"""Calibrated classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import scores
from .ensembles import response
from .interpolate import interpolated
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
    tensor, are_shares = response(predict(graph, estimator, columns), estimator, ("decision_function", "predict_proba"))
    if member.method == "temperature":
        return _tempered(graph, member.calibrators[0], tensor, classes, are_shares)
    if classes == 2:
        score = scores.column(graph, tensor, 1) if are_shares else tensor
        return scores.binary_probabilities(graph, _calibrate(graph, member.calibrators[0], score))
    parts = [
        _calibrate(graph, calibrator, scores.column(graph, tensor, place))
        for place, calibrator in enumerate(member.calibrators)
    ]
    shares = scores.shares(graph, graph.add("Concat", *parts, axis=1))
    return graph.add("Where", graph.add("Greater", shares, 1.0), 1.0, shares)


def _tempered(graph: Graph, calibrator: Any, tensor: str, classes: int, are_shares: bool) -> str:
    """The softmax of scaled scores; those of shares are their logarithms, of a single score itself and its opposite."""
    if are_shares:
        if classes == 2:
            tensor = scores.binary_probabilities(graph, scores.column(graph, tensor, 1))
        tensor = graph.add("Log", graph.add("Add", tensor, 1e-12))
    elif classes == 2:
        tensor = graph.add("Concat", graph.add("Neg", tensor), tensor, axis=1)
    return scores.softmax(graph, graph.add("Mul", tensor, float(calibrator.beta_)))


def _calibrate(graph: Graph, calibrator: Any, score: str) -> str:
    """A calibrated probability, double [rows, 1], of a score, double [rows, 1]."""
    if hasattr(calibrator, "a_"):
        steep = graph.add("Add", graph.add("Mul", score, float(calibrator.a_)), float(calibrator.b_))
        return scores.sigmoid(graph, graph.add("Neg", steep))
    return interpolated(graph, score, calibrator.X_thresholds_, calibrator.y_thresholds_)
