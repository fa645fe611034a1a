"""Support vector machines with kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from . import scores
from .multiclass import pairwise_votes
from .registry import Prediction, predictor, require

if TYPE_CHECKING:
    from .graph import Graph


@predictor("sklearn.svm:SVC", "sklearn.svm:NuSVC")
def classifier(graph: Graph, model: Any, x: str) -> Prediction:
    require(model.probability is not True, model, "probability=True")
    classes = len(model.classes_)
    pairs = graph.add("Add", graph.add("MatMul", _kernel(graph, model, x), _pair_weights(model)), model._intercept_)
    if classes == 2:
        # libsvm counts the first class as the positive one.
        decision = graph.add("Neg", pairs)
        return Prediction(_voted(graph, pairs, 2), decision=decision)
    wins = graph.cast(graph.add("Less", pairs, 0.0), TensorProto.DOUBLE)
    by_class = pairwise_votes(graph, wins, graph.add("Neg", pairs), classes)
    decision = by_class if model.decision_function_shape == "ovr" else pairs
    index = scores.top_index(graph, by_class) if model.break_ties else _voted(graph, pairs, classes)
    return Prediction(index, decision=decision)


@predictor("sklearn.svm:SVR", "sklearn.svm:NuSVR")
def regressor(graph: Graph, model: Any, x: str) -> Prediction:
    product = graph.add("MatMul", _kernel(graph, model, x), np.asarray(model._dual_coef_).T)
    return Prediction(value=scores.flat(graph, graph.add("Add", product, model._intercept_)))


def _kernel(graph: Graph, model: Any, x: str) -> str:
    """The kernel of each row with each support vector: double [rows, vectors]."""
    vectors = np.asarray(model.support_vectors_, dtype=np.float64)
    require(isinstance(model.kernel, str) and model.kernel != "precomputed", model, "a kernel of its own")
    if model.kernel == "rbf":
        distance = squared_distances(graph, x, vectors)
        return graph.add("Exp", graph.add("Mul", distance, -float(model._gamma)))
    product = graph.add("MatMul", x, vectors.T)
    if model.kernel == "linear":
        return product
    shifted = graph.add("Add", graph.add("Mul", product, float(model._gamma)), float(model.coef0))
    if model.kernel == "poly":
        return graph.add("Pow", shifted, float(model.degree))
    return graph.add("Tanh", shifted)


def squared_distances(graph: Graph, x: str, points: np.ndarray) -> str:
    """Of each row to each point, never below zero: double [rows, points]."""
    own = graph.add("ReduceSumSquare", x, np.array([1]), keepdims=1)
    cross = graph.add("MatMul", x, -2.0 * points.T)
    total = graph.add("Add", graph.add("Add", cross, own), (points**2).sum(axis=1))
    return graph.add("Max", total, 0.0)


def _pair_weights(model: Any) -> np.ndarray:
    """The weight of each vector in the decision of each pair of classes: [vectors, pairs]."""
    counts = np.asarray(model._n_support)
    starts = np.concatenate([[0], np.cumsum(counts)])
    dual = np.asarray(model._dual_coef_)
    classes = len(counts)
    pairs = [(first, second) for first in range(classes) for second in range(first + 1, classes)]
    weights = np.zeros((starts[-1], len(pairs)))
    for place, (first, second) in enumerate(pairs):
        ours = slice(starts[first], starts[first + 1])
        theirs = slice(starts[second], starts[second + 1])
        weights[ours, place] = dual[second - 1, ours]
        weights[theirs, place] = dual[first, theirs]
    return weights


def _voted(graph: Graph, pairs: str, classes: int) -> str:
    """libsvm's rule: each pair votes for its first class where its decision is above zero; the first with most wins."""
    names = [(first, second) for first in range(classes) for second in range(first + 1, classes)]
    first_wins = graph.cast(graph.add("Greater", pairs, 0.0), TensorProto.DOUBLE)
    sign = np.zeros((len(names), classes))
    for place, (first, second) in enumerate(names):
        sign[place, first], sign[place, second] = 1.0, -1.0
    votes = graph.add("Add", graph.add("MatMul", first_wins, sign), (sign < 0).sum(axis=0).astype(np.float64))
    return scores.top_index(graph, votes)
