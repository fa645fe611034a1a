"""Nearest neighbours: the k nearest, those within a radius, the nearest mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from . import scores
from .distances import distances, squared_distances
from .registry import Prediction, dense, predictor, require

if TYPE_CHECKING:
    from .graph import Graph

AXIS = np.array([1])


@predictor("sklearn.neighbors:KNeighborsClassifier")
def classifier(graph: Graph, model: Any, x: str) -> Prediction:
    distance, near = neighbors(graph, model, x)
    weights = graph.add("Unsqueeze", _weights(graph, model, distance), np.array([2]))
    counts = [len(classes) for classes in _classes(model)]
    parts = []
    for votes in _votes(model):
        counted = graph.add("Mul", graph.add("Gather", votes, near, axis=0), weights)
        parts.append(scores.shares(graph, graph.add("ReduceSum", counted, AXIS, keepdims=0)))
    return _labelled(graph, model, parts, counts)


@predictor("sklearn.neighbors:RadiusNeighborsClassifier")
def radius_classifier(graph: Graph, model: Any, x: str) -> Prediction:
    require(not model.outputs_2d_, model, "several outputs")
    votes = graph.add("MatMul", _weights_within(graph, model, x), _votes(model)[0])
    counts = [len(model.classes_)]
    alone = graph.add("Equal", graph.add("ReduceMax", votes, AXIS, keepdims=1), 0.0)
    if model.outlier_label_ is None:
        # Without a neighbour the original refuses the row.
        return _labelled(graph, model, [scores.shares(graph, votes)], counts)
    outlier = np.asarray(model.classes_) == model.outlier_label_
    require(outlier.any(), model, "a label of its own for outliers")
    parts = [graph.add("Where", alone, outlier.astype(np.float64), scores.shares(graph, votes))]
    return _labelled(graph, model, parts, counts)


@predictor("sklearn.neighbors:KNeighborsRegressor")
def regressor(graph: Graph, model: Any, x: str) -> Prediction:
    targets = _targets(model)
    distance, near = neighbors(graph, model, x)
    weights = _weights(graph, model, distance)
    each = graph.add("Gather", targets, near, axis=0)
    total = graph.add(
        "ReduceSum", graph.add("Mul", each, graph.add("Unsqueeze", weights, np.array([2]))), AXIS, keepdims=0
    )
    return _mean(graph, total, graph.add("ReduceSum", weights, AXIS, keepdims=1), targets)


@predictor("sklearn.neighbors:RadiusNeighborsRegressor")
def radius_regressor(graph: Graph, model: Any, x: str) -> Prediction:
    targets = _targets(model)
    weights = _weights_within(graph, model, x)
    total = graph.add("MatMul", weights, targets)
    return _mean(graph, total, graph.add("ReduceSum", weights, AXIS, keepdims=1), targets)


@predictor("sklearn.neighbors:NearestCentroid")
def nearest_centroid(graph: Graph, model: Any, x: str) -> Prediction:
    """The nearest mean; classes of unlike priors, and probabilities, are those of a Gaussian of the class's width."""
    require(model.metric == "euclidean", model, f"the metric {model.metric!r}")
    spread = np.asarray(model.within_class_std_dev_, dtype=np.float64)
    spread = np.where(spread == 0, 1.0, spread)
    apart = squared_distances(graph, graph.add("Div", x, spread), model.centroids_ / spread)
    decision = graph.add("Sub", 2.0 * np.log(model.class_prior_), apart)
    shares = scores.softmax(graph, decision)
    even = np.isclose(model.class_prior_, 1 / len(model.classes_)).all()
    plain = graph.add("Neg", squared_distances(graph, x, np.asarray(model.centroids_)))
    index = scores.top_index(graph, plain if even else decision)
    if len(model.classes_) == 2:
        decision = graph.add("Sub", scores.column(graph, decision, 1), scores.column(graph, decision, 0))
        index = index if even else scores.sign_index(graph, decision)
    return Prediction(index, shares, decision)


def neighbors(graph: Graph, model: Any, x: str) -> tuple[str, str]:
    """The distances, double [rows, k], and numbers, int64 [rows, k], of the nearest training rows, nearest first."""
    count = getattr(model, "n_neighbors_", model.n_neighbors)
    apart = distances(graph, x, dense(model._fit_X), model)
    distance, near = graph.add_many("TopK", apart, np.array([count]), count=2, axis=1, largest=0)
    return distance, near


def _weights(graph: Graph, model: Any, distance: str) -> str:
    """How much each neighbour counts: those at the very place alone, where there are any."""
    require(model.weights in ("uniform", "distance", None), model, "weights of its own")
    if model.weights != "distance":
        return graph.add("Add", graph.add("Mul", distance, 0.0), 1.0)
    here = graph.cast(graph.add("Equal", distance, 0.0), TensorProto.DOUBLE)
    any_here = graph.add("Greater", graph.add("ReduceMax", here, AXIS, keepdims=1), 0.0)
    return graph.add("Where", any_here, here, graph.add("Div", 1.0, distance))


def _weights_within(graph: Graph, model: Any, x: str) -> str:
    """How much each training row counts, none beyond the radius: double [rows, training rows]."""
    apart = distances(graph, x, dense(model._fit_X), model)
    within = graph.add("LessOrEqual", apart, float(model.radius))
    return graph.add("Where", within, _weights(graph, model, apart), 0.0)


def _classes(model: Any) -> list[Any]:
    return list(model.classes_) if model.outputs_2d_ else [model.classes_]


def _votes(model: Any) -> list[np.ndarray]:
    """Of each output, 1 where a training row is of a class: double [training rows, classes]."""
    labels = np.asarray(model._y).reshape(model._fit_X.shape[0], -1)
    return [np.eye(len(classes))[labels[:, output]] for output, classes in enumerate(_classes(model))]


def _labelled(graph: Graph, model: Any, parts: list[str], counts: list[int]) -> Prediction:
    if not model.outputs_2d_:
        return Prediction(scores.top_index(graph, parts[0]), parts[0])
    probabilities = graph.add("Concat", *parts, axis=1)
    return Prediction(indices=scores.top_indices(graph, probabilities, counts), probabilities=probabilities)


def _targets(model: Any) -> np.ndarray:
    return np.asarray(model._y, dtype=np.float64).reshape(model._fit_X.shape[0], -1)


def _mean(graph: Graph, total: str, weight: str, targets: np.ndarray) -> Prediction:
    value = graph.add("Div", total, weight)
    return Prediction(value=value if targets.shape[1] > 1 else scores.flat(graph, value))
