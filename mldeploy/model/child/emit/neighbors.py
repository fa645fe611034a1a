"""Nearest neighbours by Euclidean distance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from . import scores
from .registry import Prediction, predictor, require

if TYPE_CHECKING:
    from .graph import Graph


@predictor("sklearn.neighbors:KNeighborsClassifier")
def classifier(graph: Graph, model: Any, x: str) -> Prediction:
    require(not model.outputs_2d_, model, "several outputs")
    near, weights = _neighbors(graph, model, x)
    votes = graph.add("Gather", np.eye(len(model.classes_))[np.ravel(model._y)], near, axis=0)
    total = graph.add("ReduceSum", graph.add("Mul", votes, weights), np.array([1]), keepdims=0)
    return Prediction(scores.top_index(graph, total), scores.shares(graph, total))


@predictor("sklearn.neighbors:KNeighborsRegressor")
def regressor(graph: Graph, model: Any, x: str) -> Prediction:
    targets = np.asarray(model._y, dtype=np.float64)
    require(targets.ndim == 1 or targets.shape[1] == 1, model, "several outputs")
    near, weights = _neighbors(graph, model, x)
    values = graph.add("Mul", graph.add("Gather", targets.reshape(-1, 1), near, axis=0), weights)
    total, weight = (graph.add("ReduceSum", each, np.array([1, 2]), keepdims=0) for each in (values, weights))
    return Prediction(value=graph.add("Div", total, weight))


def _neighbors(graph: Graph, model: Any, x: str) -> tuple[str, str]:
    """The nearest training rows, int64 [rows, k], and how much each counts, double [rows, k, 1]."""
    euclidean = model.effective_metric_ == "euclidean"
    require(euclidean, model, f"the metric {model.effective_metric_!r}")
    require(model.weights in ("uniform", "distance"), model, "weights of its own")
    points = np.asarray(model._fit_X, dtype=np.float64)
    distances = _distances(graph, x, points)
    squared, near = graph.add_many("TopK", distances, np.array([model.n_neighbors]), count=2, axis=1, largest=0)
    distance = graph.add("Unsqueeze", graph.add("Sqrt", squared), np.array([2]))
    if model.weights == "uniform":
        return near, graph.add("Add", graph.add("Mul", distance, 0.0), 1.0)
    here = graph.cast(graph.add("Equal", distance, 0.0), TensorProto.DOUBLE)
    any_here = graph.add("Greater", graph.add("ReduceMax", here, np.array([1]), keepdims=1), 0.0)
    return near, graph.add("Where", any_here, here, graph.add("Div", 1.0, distance))


def _distances(graph: Graph, x: str, points: np.ndarray) -> str:
    """Squared distances, double [rows, points], summed feature by feature as scikit-learn's search trees do.

    The expanded square would be faster, but loses digits, and with them the order of near neighbours.
    """
    total = ""
    for place in range(points.shape[1]):
        apart = graph.add("Sub", scores.column(graph, x, place), points[:, place])
        squared = graph.add("Mul", apart, apart)
        total = graph.add("Add", total, squared) if total else squared
    return total
