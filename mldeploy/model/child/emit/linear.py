"""Linear models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from . import scores
from .entries import product
from .registry import Prediction, composite, predict, predictor, require

if TYPE_CHECKING:
    from .graph import Column, Graph


@predictor("sklearn.linear_model:LogisticRegression", "sklearn.linear_model:LogisticRegressionCV")
def logistic(graph: Graph, model: Any, x: str) -> Prediction:
    decision = linear(graph, model, x)
    classes = len(model.classes_)
    one_vs_rest = getattr(model, "multi_class", None) == "ovr" or model.solver == "liblinear"
    if classes == 2:
        probabilities = scores.binary_probabilities(graph, scores.sigmoid(graph, decision))
    elif one_vs_rest:
        probabilities = scores.shares(graph, scores.sigmoid(graph, decision))
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
    "sklearn.linear_model:MultiTaskElasticNet",
    "sklearn.linear_model:MultiTaskElasticNetCV",
    "sklearn.linear_model:MultiTaskLasso",
    "sklearn.linear_model:MultiTaskLassoCV",
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
    value = linear(graph, model, x)
    several = np.ndim(model.coef_) == 2 and np.shape(model.coef_)[0] > 1
    return Prediction(value=value if several else scores.flat(graph, value))


@predictor(
    "sklearn.linear_model:PassiveAggressiveClassifier",
    "sklearn.linear_model:Perceptron",
    "sklearn.linear_model:RidgeClassifier",
    "sklearn.linear_model:RidgeClassifierCV",
    "sklearn.svm:LinearSVC",
)
def linear_classifier(graph: Graph, model: Any, x: str) -> Prediction:
    decision = linear(graph, model, x)
    if getattr(getattr(model, "_label_binarizer", None), "y_type_", "").startswith("multilabel"):
        return Prediction(indices=graph.cast(graph.add("Greater", decision, 0.0), TensorProto.INT64))
    return Prediction(scores.label_index(graph, decision, len(model.classes_)), decision=decision)


@predictor("sklearn.linear_model:SGDClassifier")
def sgd_classifier(graph: Graph, model: Any, x: str) -> Prediction:
    decision = linear(graph, model, x)
    classes = len(model.classes_)
    index = scores.label_index(graph, decision, classes)
    if model.loss == "log_loss":
        positive = scores.sigmoid(graph, decision)
    elif model.loss == "modified_huber":
        clipped = graph.add("Clip", decision, -1.0, 1.0)
        positive = graph.add("Div", graph.add("Add", clipped, 1.0), 2.0)
    else:
        return Prediction(index, decision=decision)
    if classes == 2:
        return Prediction(index, scores.binary_probabilities(graph, positive), decision)
    return Prediction(index, scores.shares(graph, positive), decision)


@predictor(
    "sklearn.linear_model:GammaRegressor",
    "sklearn.linear_model:PoissonRegressor",
    "sklearn.linear_model:TweedieRegressor",
)
def generalised_linear(graph: Graph, model: Any, x: str) -> Prediction:
    raw = scores.flat(graph, linear(graph, model, x))
    link = type(model._base_loss.link).__name__
    require(link in ("IdentityLink", "LogLink"), model, f"link {link}")
    return Prediction(value=raw if link == "IdentityLink" else graph.add("Exp", raw))


@predictor("sklearn.linear_model:SGDOneClassSVM")
def sgd_one_class(graph: Graph, model: Any, x: str) -> Prediction:
    weighed = product(graph, x, np.reshape(model.coef_, (-1, 1)))
    decision = scores.flat(graph, graph.add("Sub", weighed, np.asarray(model.offset_, dtype=np.float64)))
    inside = graph.add("GreaterOrEqual", decision, 0.0)
    return Prediction(graph.add("Where", inside, np.int64(1), np.int64(-1)), score=decision)


@composite("sklearn.linear_model:RANSACRegressor")
def ransac(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    return predict(graph, model.estimator_, columns)


def linear(graph: Graph, model: Any, x: str) -> str:
    """x @ coef + intercept: double [rows, outputs]."""
    weighed = product(graph, x, np.atleast_2d(model.coef_).T)
    return graph.add("Add", weighed, np.atleast_1d(np.asarray(model.intercept_, dtype=np.float64)))
