"""Support vector machines with kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from . import scores
from .distances import squared_distances
from .multiclass import pairwise_votes
from .registry import Prediction, dense, predictor, require

if TYPE_CHECKING:
    from .graph import Graph

# libsvm keeps the probability of a pair this far from 0 and 1.
LEAST = 1e-7


@predictor("sklearn.svm:SVC", "sklearn.svm:NuSVC")
def classifier(graph: Graph, model: Any, x: str) -> Prediction:
    classes = len(model.classes_)
    pairs = graph.add("Add", graph.add("MatMul", _kernel(graph, model, x), _pair_weights(model)), model._intercept_)
    if classes == 2:
        # libsvm counts the first class as the positive one.
        decision = graph.add("Neg", pairs)
        return Prediction(_voted(graph, pairs, 2), _probabilities(graph, model, pairs), decision)
    wins = graph.cast(graph.add("Less", pairs, 0.0), TensorProto.DOUBLE)
    by_class = pairwise_votes(graph, wins, graph.add("Neg", pairs), classes)
    decision = by_class if model.decision_function_shape == "ovr" else pairs
    index = scores.top_index(graph, by_class) if model.break_ties else _voted(graph, pairs, classes)
    return Prediction(index, _probabilities(graph, model, pairs), decision)


@predictor("sklearn.svm:SVR", "sklearn.svm:NuSVR")
def regressor(graph: Graph, model: Any, x: str) -> Prediction:
    product = graph.add("MatMul", _kernel(graph, model, x), dense(model._dual_coef_).T)
    return Prediction(value=scores.flat(graph, graph.add("Add", product, model._intercept_)))


@predictor("sklearn.svm:OneClassSVM")
def one_class(graph: Graph, model: Any, x: str) -> Prediction:
    product = graph.add("MatMul", _kernel(graph, model, x), dense(model._dual_coef_).T)
    score = graph.add("Add", product, model._intercept_)
    return Prediction(scores.outlier_label(graph, score), score=scores.flat(graph, score))


def _kernel(graph: Graph, model: Any, x: str) -> str:
    """The kernel of each row with each support vector: double [rows, vectors]."""
    vectors = dense(model.support_vectors_)
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


def _pair_weights(model: Any) -> np.ndarray:
    """The weight of each vector in the decision of each pair of classes: [vectors, pairs]."""
    counts = np.asarray(model._n_support)
    starts = np.concatenate([[0], np.cumsum(counts)])
    dual = dense(model._dual_coef_)
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


def _probabilities(graph: Graph, model: Any, pairs: str) -> str | None:
    """Platt's probability of each pair's first class, coupled to one of each class; None where none were fitted."""
    if model.probability is not True:
        return None
    steep = graph.add("Add", graph.add("Mul", pairs, model._probA), model._probB)
    first = graph.add("Clip", scores.sigmoid(graph, graph.add("Neg", steep)), LEAST, 1.0 - LEAST)
    return coupled(graph, first, len(model.classes_))


def coupled(graph: Graph, first: str, classes: int) -> str:
    """Class probabilities, double [rows, classes], from each pair's probability of its first class.

    The second method of Wu, Lin and Weng (2004), "Probability estimates for multi-class classification by pairwise
    coupling", in libsvm's steps: a row is left alone once it is near enough, so that it ends where libsvm ends.
    """
    pairs = [(one, other) for one in range(classes) for other in range(one + 1, classes)]
    both = graph.add("Concat", first, graph.add("Sub", 1.0, first), axis=1)
    places = np.zeros((classes, classes), dtype=np.int64)
    for place, (one, other) in enumerate(pairs):
        places[one, other], places[other, one] = place, place + len(pairs)
    # against[t, j] is the probability of j when it is t or j.
    against = graph.add("Mul", graph.add("Gather", both, places.T, axis=1), 1.0 - np.eye(classes))
    square = graph.add("ReduceSumSquare", against, np.array([2]), keepdims=1)
    products = graph.add("Neg", graph.add("Mul", against, graph.add("Transpose", against, perm=[0, 2, 1])))
    matrix = graph.add("Add", products, graph.add("Mul", square, np.eye(classes)))
    shares = graph.add("Add", graph.add("Mul", graph.add("Gather", square, np.int64(0), axis=2), 0.0), 1.0 / classes)

    def step(state: list[str]) -> tuple[str, list[str]]:
        shares = state[0]
        product = graph.add("Squeeze", graph.add("MatMul", matrix, _last(graph, shares)), np.array([2]))
        quality = graph.add("ReduceSum", graph.add("Mul", shares, product), np.array([1]), keepdims=1)
        error = graph.add("ReduceMax", graph.add("Abs", graph.add("Sub", product, quality)), np.array([1]), keepdims=1)
        moving = graph.add("GreaterOrEqual", error, 0.005 / classes)
        moved = shares
        for place in range(classes):
            row = graph.add("Gather", matrix, np.int64(place), axis=1)
            at = scores.column(graph, product, place)
            own = scores.column(graph, row, place)
            change = graph.add("Div", graph.add("Sub", quality, at), own)
            grown = graph.add("Add", change, 1.0)
            gain = graph.add("Mul", change, graph.add("Add", graph.add("Mul", change, own), graph.add("Mul", at, 2.0)))
            quality = graph.add("Div", graph.add("Div", graph.add("Add", quality, gain), grown), grown)
            product = graph.add("Div", graph.add("Add", product, graph.add("Mul", change, row)), grown)
            here = graph.add("Mul", change, np.eye(classes)[place])
            moved = graph.add("Div", graph.add("Add", moved, here), grown)
        any_moving = graph.cast(
            graph.add("ReduceMax", graph.cast(moving, TensorProto.INT32), keepdims=0), TensorProto.BOOL
        )
        return any_moving, [graph.add("Where", moving, moved, shares)]

    return graph.loop(max(100, classes), [shares], step)[0]


def _last(graph: Graph, tensor: str) -> str:
    """[rows, n] as [rows, n, 1]."""
    return graph.add("Unsqueeze", tensor, np.array([2]))
