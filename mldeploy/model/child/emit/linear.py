"""Linear models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import scores
from .registry import Prediction, predictor

if TYPE_CHECKING:
    from .graph import Graph


@predictor("sklearn.linear_model:LogisticRegression", "sklearn.linear_model:LogisticRegressionCV")
def logistic(graph: Graph, model: Any, x: str) -> Prediction:
    decision = linear(graph, model, x)
    classes = len(model.classes_)
    one_vs_rest = getattr(model, "multi_class", None) == "ovr" or model.solver == "liblinear"
    if classes == 2:
        probabilities = scores.binary_probabilities(graph, graph.add("Sigmoid", decision))
    elif one_vs_rest:
        probabilities = scores.shares(graph, graph.add("Sigmoid", decision))
    else:
        probabilities = scores.softmax(graph, decision)
    return Prediction(scores.label_index(graph, decision, classes), probabilities, decision)


@predictor(
    "sklearn.linear_model:ARDRegression",
    "sklearn.linear_model:BayesianRidge",
    "sklearn.linear_model:ElasticNet",
    "sklearn.linear_model:ElasticNetCV",
    "sklearn.linear_model:HuberRegressor",
    "sklearn.linear_model:Lars",
    "sklearn.linear_model:LarsCV",
    "sklearn.linear_model:Lasso",
    "sklearn.linear_model:LassoCV",
    "sklearn.linear_model:LassoLars",
    "sklearn.linear_model:LassoLarsCV",
    "sklearn.linear_model:LassoLarsIC",
    "sklearn.linear_model:LinearRegression",
    "sklearn.linear_model:OrthogonalMatchingPursuit",
    "sklearn.linear_model:OrthogonalMatchingPursuitCV",
    "sklearn.linear_model:PassiveAggressiveRegressor",
    "sklearn.linear_model:QuantileRegressor",
    "sklearn.linear_model:Ridge",
    "sklearn.linear_model:RidgeCV",
    "sklearn.linear_model:SGDRegressor",
    "sklearn.linear_model:TheilSenRegressor",
    "sklearn.svm:LinearSVR",
)
def linear_regressor(graph: Graph, model: Any, x: str) -> Prediction:
    return Prediction(value=scores.flat(graph, linear(graph, model, x)))


def linear(graph: Graph, model: Any, x: str) -> str:
    """x @ coef + intercept: double [rows, outputs]."""
    weights = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64)).T
    product = graph.add("MatMul", x, weights)
    return graph.add("Add", product, np.atleast_1d(np.asarray(model.intercept_, dtype=np.float64)))
