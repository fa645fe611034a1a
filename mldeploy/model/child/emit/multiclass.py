"""Classes told apart by binary classifiers: one-vs-rest, one-vs-one, output codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from . import scores
from .distances import nearest
from .ensembles import response
from .registry import Prediction, composite, predict, require

if TYPE_CHECKING:
    from .graph import Column, Graph


@composite("sklearn.multiclass:OneVsRestClassifier")
def one_vs_rest(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    members = [predict(graph, each, columns) for each in model.estimators_]
    found = [_binary_score(graph, answer, each) for answer, each in zip(members, model.estimators_)]
    stacked = graph.add("Concat", *found, axis=1) if len(found) > 1 else found[0]
    if model.multilabel_:
        return _labels(graph, model, members, stacked)
    probabilities = _shares_of_members(graph, model, members) if hasattr(model, "predict_proba") else None
    if len(found) == 1:
        above = graph.cast(graph.add("Greater", stacked, _limit(model)), TensorProto.INT64)
        return Prediction(scores.flat(graph, above), probabilities, stacked)
    return Prediction(scores.top_index(graph, stacked), probabilities, stacked)


@composite("sklearn.multiclass:OutputCodeClassifier")
def output_code(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    """The class whose code is nearest to what the members answer."""
    members = [(predict(graph, each, columns), each) for each in model.estimators_]
    found = [_binary_score(graph, answer, each) for answer, each in members]
    code = np.asarray(model.code_book_, dtype=np.float64)
    return Prediction(nearest(graph, graph.add("Concat", *found, axis=1), code))


@composite("sklearn.multiclass:_ConstantPredictor")
def constant(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    """Stands for a class that all training rows had, or none."""
    value = float(model.y_[0])
    zero = graph.add("Mul", graph.cast(graph.add("IsNaN", graph.matrix(columns[:1])), TensorProto.DOUBLE), 0.0)
    decision = graph.add("Add", zero, value)
    return Prediction(scores.sign_index(graph, decision), scores.binary_probabilities(graph, decision), decision)


@composite("sklearn.multiclass:OneVsOneClassifier")
def one_vs_one(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    require(len(model.classes_) > 2, model, "two classes")
    require(model.pairwise_indices_ is None, model, "a precomputed kernel")
    members = [predict(graph, each, columns) for each in model.estimators_]
    found = [_binary_score(graph, answer, each) for answer, each in zip(members, model.estimators_)]
    confidences = graph.add("Concat", *found, axis=1)
    wins = [
        graph.add("Unsqueeze", graph.cast(answer.index or "", TensorProto.DOUBLE), np.array([1])) for answer in members
    ]
    decision = pairwise_votes(graph, graph.add("Concat", *wins, axis=1), confidences, len(model.classes_))
    return Prediction(scores.top_index(graph, decision), decision=decision)


def pairwise_votes(graph: Graph, wins: str, confidences: str, classes: int) -> str:
    """Votes of every pair of classes and, to break ties, their confidences squeezed below a third.

    `wins` is 1 where the pair's second class won, `confidences` how clearly; both double [rows, pairs].
    """
    pairs = [(first, second) for first in range(classes) for second in range(first + 1, classes)]
    sign = np.zeros((len(pairs), classes))
    for place, (first, second) in enumerate(pairs):
        sign[place, first], sign[place, second] = -1.0, 1.0
    won = graph.add("MatMul", wins, sign)
    votes = graph.add("Add", won, (sign < 0).sum(axis=0).astype(np.float64))
    total = graph.add("MatMul", confidences, sign)
    squeezed = graph.add("Div", total, graph.add("Mul", graph.add("Add", graph.add("Abs", total), 1.0), 3.0))
    return graph.add("Add", votes, squeezed)


def _labels(graph: Graph, model: Any, members: list[Prediction], stacked: str) -> Prediction:
    """Each label for itself."""
    indices = graph.cast(graph.add("Greater", stacked, _limit(model)), TensorProto.INT64)
    given = [answer.probabilities for answer in members if answer.probabilities is not None]
    shares = graph.add("Concat", *given, axis=1) if len(given) == len(members) else None
    return Prediction(indices=indices, probabilities=shares)


def _limit(model: Any) -> float:
    """Above it a member's score speaks for its class."""
    return 0.0 if hasattr(model.estimators_[0], "decision_function") else 0.5


def _shares_of_members(graph: Graph, model: Any, members: list[Prediction]) -> str:
    """Each member's probability of its own class, made to add up to one; rows of zeros stay zeros."""
    shares = [
        scores.column(graph, response(answer, each, ("predict_proba",))[0], 1)
        for answer, each in zip(members, model.estimators_)
    ]
    if len(shares) == 1:
        return scores.binary_probabilities(graph, shares[0])
    joined = graph.add("Concat", *shares, axis=1)
    total = graph.add("ReduceSum", joined, np.array([1]), keepdims=1)
    return graph.add("Div", joined, graph.add("Where", graph.add("Equal", total, 0.0), 1.0, total))


def _binary_score(graph: Graph, answer: Prediction, estimator: Any) -> str:
    tensor, are_shares = response(answer, estimator, ("decision_function", "predict_proba"))
    return scores.column(graph, tensor, 1) if are_shares else tensor
