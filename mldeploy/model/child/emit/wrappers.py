"""Estimators around another one: searches, thresholds, transformed targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from . import scores
from .compose import apply
from .ensembles import response
from .graph import columns_of
from .registry import NotEmitted, Prediction, composite, describe, is_exactly, predict, require, transform, transformer

if TYPE_CHECKING:
    from .graph import Column, Graph

SEARCHES = (
    "sklearn.model_selection:GridSearchCV",
    # Experimental: the package itself does not know them until it is asked to.
    "sklearn.model_selection._search_successive_halving:HalvingGridSearchCV",
    "sklearn.model_selection._search_successive_halving:HalvingRandomSearchCV",
    "sklearn.model_selection:RandomizedSearchCV",
)


@composite(*SEARCHES)
def search(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    return predict(graph, model.best_estimator_, columns)


@transformer(*SEARCHES)
def search_transform(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    return transform(graph, model.best_estimator_, columns)


@composite("sklearn.frozen:FrozenEstimator")
def frozen(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    return predict(graph, model.estimator, columns)


@transformer("sklearn.frozen:FrozenEstimator")
def frozen_transform(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    return transform(graph, model.estimator, columns)


@composite("sklearn.model_selection:FixedThresholdClassifier")
def fixed_threshold(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    return _thresholded(graph, model, columns, None if model.threshold == "auto" else model.threshold, model.pos_label)


@composite("sklearn.model_selection:TunedThresholdClassifierCV")
def tuned_threshold(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    return _thresholded(graph, model, columns, model.best_threshold_, model._curve_scorer._get_pos_label())


def _thresholded(graph: Graph, model: Any, columns: list[Column], threshold: Any, positive: Any) -> Prediction:
    """The positive class from the threshold on, whatever the model inside would answer."""
    inner = predict(graph, model.estimator_, columns)
    methods = ("predict_proba", "decision_function") if model.response_method == "auto" else (model.response_method,)
    tensor, are_shares = response(inner, model.estimator_, methods)
    place = 1 if positive is None else int(np.flatnonzero(model.classes_ == positive)[0])
    score = scores.column(graph, tensor, place) if are_shares else tensor
    if place == 0 and not are_shares:
        score = graph.add("Neg", tensor)
    limit = (0.5 if are_shares else 0.0) if threshold is None else float(threshold)
    above = graph.cast(graph.add("GreaterOrEqual", score, limit), TensorProto.INT64)
    index = scores.flat(graph, above if place == 1 else graph.add("Sub", np.int64(1), above))
    return Prediction(index, inner.probabilities, inner.decision)


@composite("sklearn.compose:TransformedTargetRegressor")
def transformed_target(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    value = predict(graph, model.regressor_, columns).value
    if value is None:
        raise NotEmitted(f"{describe(model.regressor_)} gives no value")
    column = graph.add("Unsqueeze", value, np.array([1]))
    return Prediction(value=scores.flat(graph, _inverse(graph, model, column)))


def _inverse(graph: Graph, model: Any, value: str) -> str:
    """The inverse of the target's transformer, double [rows, 1]."""
    transformer_ = model.transformer_
    if is_exactly(transformer_, "sklearn.preprocessing:StandardScaler"):
        scale = transformer_.scale_ if transformer_.with_std else 1.0
        shift = transformer_.mean_ if transformer_.with_mean else 0.0
        return graph.add("Add", graph.add("Mul", value, np.asarray(scale)), np.asarray(shift))
    if is_exactly(transformer_, "sklearn.preprocessing:MinMaxScaler"):
        return graph.add("Div", graph.add("Sub", value, transformer_.min_), transformer_.scale_)
    is_function = is_exactly(transformer_, "sklearn.preprocessing:FunctionTransformer")
    require(is_function, model, f"the transformer {type(transformer_).__name__}")
    if transformer_.inverse_func is None:
        return value
    as_step = type(transformer_)(transformer_.inverse_func)
    return graph.matrix(apply(graph, as_step, columns_of(value, 1)))
