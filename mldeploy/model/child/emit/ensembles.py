"""Estimators made of estimators that answer together: voting, stacking, bagging, boosting of any model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import scores
from .graph import columns_of
from .registry import NotEmitted, Prediction, composite, describe, predict, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .graph import Column, Graph


@composite("sklearn.ensemble:VotingClassifier")
def voting_classifier(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    members = [predict(graph, each, columns) for each in model.estimators_]
    weights = model._weights_not_none
    classes = len(model.classes_)
    if model.voting == "soft":
        probabilities = scores.mean(graph, [_probabilities(each, model) for each in members], weights)
        return Prediction(scores.top_index(graph, probabilities), probabilities)
    votes = [scores.one_of(graph, label_of(each, model), classes) for each in members]
    return Prediction(scores.top_index(graph, scores.mean(graph, votes, weights)))


@composite("sklearn.ensemble:VotingRegressor")
def voting_regressor(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    values = [value_of(predict(graph, each, columns), model) for each in model.estimators_]
    return Prediction(value=scores.mean(graph, values, model._weights_not_none))


@composite("sklearn.ensemble:StackingClassifier", "sklearn.ensemble:StackingRegressor")
def stacking(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    """The first models' answers are the last one's columns; of two probabilities the first says nothing new."""
    stacked: list[Column] = []
    for estimator, method in zip(model.estimators_, model.stack_method_):
        answer = predict(graph, estimator, columns)
        if method == "predict_proba":
            tensor, width = _probabilities(answer, model), len(model.classes_)
            part = columns_of(tensor, width)[1 if width == 2 else 0 :]
        elif method == "decision_function":
            tensor = _decision(answer, model)
            part = columns_of(tensor, 1 if len(model.classes_) == 2 else len(model.classes_))
        else:
            require(answer.value is not None, model, "labels of the first models as input of the last")
            part = columns_of(graph.add("Unsqueeze", value_of(answer, model), np.array([1])), 1)
        stacked.extend(part)
    return predict(graph, model.final_estimator_, stacked + (columns if model.passthrough else []))


@composite("sklearn.ensemble:BaggingClassifier")
@composite("imblearn.ensemble:BalancedBaggingClassifier", "imblearn.ensemble:EasyEnsembleClassifier")
def bagging_classifier(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    size = len(model.classes_)
    parts = []
    for estimator, features in zip(model.estimators_, model.estimators_features_):
        require(len(estimator.classes_) == size, model, "members that have not seen every class")
        answer = predict(graph, estimator, [columns[at] for at in features])
        if hasattr(estimator, "predict_proba"):
            parts.append(_probabilities(answer, model))
        else:
            parts.append(scores.one_of(graph, label_of(answer, model), size))
    probabilities = scores.mean(graph, parts)
    return Prediction(scores.top_index(graph, probabilities), probabilities)


@composite("sklearn.ensemble:BaggingRegressor")
def bagging_regressor(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    values = [
        value_of(predict(graph, estimator, [columns[at] for at in features]), model)
        for estimator, features in zip(model.estimators_, model.estimators_features_)
    ]
    return Prediction(value=scores.mean(graph, values))


@composite("sklearn.ensemble:AdaBoostClassifier", "imblearn.ensemble:RUSBoostClassifier")
def ada_boost_classifier(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    """SAMME: each member's vote weighs for its class and a little against the others (Zhu et al. 2009)."""
    require(getattr(model, "algorithm", "deprecated") != "SAMME.R", model, "algorithm='SAMME.R'")
    classes = len(model.classes_)
    parts = []
    for estimator, weight in zip(model.estimators_, model.estimator_weights_):
        index = in_classes(graph, label_of(predict(graph, estimator, columns), model), estimator, model)
        votes = np.where(np.eye(classes, dtype=bool), weight, -1 / (classes - 1) * weight)
        parts.append(graph.add("Gather", votes, index, axis=0))
    total = parts[0]
    for part in parts[1:]:
        total = graph.add("Add", total, part)
    decision = graph.add("Div", total, float(np.sum(model.estimator_weights_)))
    if classes > 2:
        shares = scores.softmax(graph, graph.add("Div", decision, float(classes - 1)))
        return Prediction(scores.top_index(graph, decision), shares, decision)
    single = graph.add("Sub", scores.column(graph, decision, 1), scores.column(graph, decision, 0))
    both = graph.add("Div", graph.add("Concat", graph.add("Neg", single), single, axis=1), 2.0)
    return Prediction(scores.sign_index(graph, single), scores.softmax(graph, both), single)


@composite("sklearn.ensemble:AdaBoostRegressor")
def ada_boost_regressor(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    """The weighted median of the members' values."""
    size = len(model.estimators_)
    values = [value_of(predict(graph, each, columns), model) for each in model.estimators_]
    stacked = graph.add("Concat", *(graph.add("Unsqueeze", each, np.array([1])) for each in values), axis=1)
    weights = np.asarray(model.estimator_weights_[:size], dtype=np.float64)
    ranked, order = graph.add_many("TopK", stacked, np.array([size]), count=2, axis=1, largest=0, sorted=1)
    reached = graph.add("CumSum", graph.add("Gather", weights, order, axis=0), np.int64(1))
    half = graph.add("Mul", scores.column(graph, reached, size - 1), 0.5)
    above = graph.cast(graph.add("GreaterOrEqual", reached, half), 6)
    middle = graph.add("ArgMax", above, axis=1, keepdims=1)
    return Prediction(value=scores.flat(graph, graph.add("GatherElements", ranked, middle, axis=1)))


def in_classes(graph: Graph, index: str, estimator: Any, model: Any) -> str:
    """A member's label as a position in the classes of the whole."""
    positions = np.searchsorted(model.classes_, estimator.classes_)
    if np.array_equal(positions, np.arange(len(model.classes_))):
        return index
    return graph.add("Gather", positions.astype(np.int64), index, axis=0)


def response(prediction: Prediction, estimator: Any, methods: Sequence[str]) -> tuple[str, bool]:
    """The first of the methods that the estimator has: its tensor, and whether these are probabilities."""
    for method in methods:
        if hasattr(estimator, method):
            if method == "predict_proba":
                return _probabilities(prediction, estimator), True
            return _decision(prediction, estimator), False
    raise NotEmitted(f"{describe(estimator)} gives no scores")


def label_of(prediction: Prediction, model: Any) -> str:
    return _given(prediction.index, model, "labels")


def _probabilities(prediction: Prediction, model: Any) -> str:
    return _given(prediction.probabilities, model, "probabilities")


def _decision(prediction: Prediction, model: Any) -> str:
    return _given(prediction.decision, model, "scores")


def value_of(prediction: Prediction, model: Any) -> str:
    return _given(prediction.value, model, "values")


def _given(tensor: str | None, model: Any, what: str) -> str:
    if tensor is None:
        raise NotEmitted(f"{describe(model)} has a member whose {what} have no exact emitter")
    return tensor
