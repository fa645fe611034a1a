"""Naive Bayes and discriminant analysis: log likelihoods of the classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from . import scores
from .entries import above, product
from .linear import linear
from .registry import Prediction, predictor, require

if TYPE_CHECKING:
    from .graph import Graph


@predictor("sklearn.naive_bayes:GaussianNB")
def gaussian(graph: Graph, model: Any, x: str) -> Prediction:
    parts = []
    for prior, mean, variance in zip(model.class_prior_, model.theta_, model.var_):
        constant = np.log(prior) - 0.5 * np.sum(np.log(2.0 * np.pi * variance))
        apart = graph.add("Sub", x, mean)
        distance = graph.add("Div", graph.add("Mul", apart, apart), variance)
        total = graph.add("ReduceSum", distance, np.array([1]), keepdims=1)
        parts.append(graph.add("Add", graph.add("Mul", total, -0.5), float(constant)))
    return _by_likelihood(graph, graph.add("Concat", *parts, axis=1))


@predictor("sklearn.naive_bayes:MultinomialNB")
def multinomial(graph: Graph, model: Any, x: str) -> Prediction:
    weighed = product(graph, x, model.feature_log_prob_.T)
    return _by_likelihood(graph, graph.add("Add", weighed, model.class_log_prior_))


@predictor("sklearn.naive_bayes:ComplementNB")
def complement(graph: Graph, model: Any, x: str) -> Prediction:
    require(len(model.classes_) > 1, model, "one class")
    return _by_likelihood(graph, product(graph, x, model.feature_log_prob_.T))


@predictor("sklearn.naive_bayes:CategoricalNB")
def categorical(graph: Graph, model: Any, x: str) -> Prediction:
    """Codes of categories, cut off to whole numbers; the original refuses those it has not seen."""
    total = ""
    for place, table in enumerate(model.feature_log_prob_):
        code = graph.cast(
            graph.add("Clip", scores.column(graph, x, place), 0.0, float(table.shape[1] - 1)), TensorProto.INT64
        )
        found = graph.add("Gather", np.ascontiguousarray(table.T), scores.flat(graph, code), axis=0)
        total = graph.add("Add", total, found) if total else found
    return _by_likelihood(graph, graph.add("Add", total, model.class_log_prior_))


@predictor("sklearn.naive_bayes:BernoulliNB")
def bernoulli(graph: Graph, model: Any, x: str) -> Prediction:
    if model.binarize is not None:
        x = above(graph, x, float(model.binarize))
    absent = np.log(1 - np.exp(model.feature_log_prob_))
    weighed = product(graph, x, (model.feature_log_prob_ - absent).T)
    return _by_likelihood(graph, graph.add("Add", weighed, model.class_log_prior_ + absent.sum(axis=1)))


@predictor("sklearn.discriminant_analysis:LinearDiscriminantAnalysis")
def linear_discriminant(graph: Graph, model: Any, x: str) -> Prediction:
    decision = linear(graph, model, x)
    classes = len(model.classes_)
    if classes == 2:
        probabilities = scores.binary_probabilities(graph, scores.sigmoid(graph, decision))
    else:
        probabilities = scores.softmax(graph, decision)
    return Prediction(scores.label_index(graph, decision, classes), probabilities, decision)


@predictor("sklearn.discriminant_analysis:QuadraticDiscriminantAnalysis")
def quadratic_discriminant(graph: Graph, model: Any, x: str) -> Prediction:
    parts = []
    for rotation, scaling, mean, prior in zip(model.rotations_, model.scalings_, model.means_, model.priors_):
        rotated = graph.add("MatMul", graph.add("Sub", x, mean), rotation * scaling**-0.5)
        size = graph.add("ReduceSum", graph.add("Mul", rotated, rotated), np.array([1]), keepdims=1)
        halved = graph.add("Mul", graph.add("Add", size, float(np.sum(np.log(scaling)))), -0.5)
        parts.append(graph.add("Add", halved, float(np.log(prior))))
    likelihood = graph.add("Concat", *parts, axis=1)
    decision = likelihood
    if len(model.classes_) == 2:
        second, first = (graph.add("Gather", likelihood, np.array([at]), axis=1) for at in (1, 0))
        decision = graph.add("Sub", second, first)
    return Prediction(scores.top_index(graph, likelihood), scores.softmax(graph, likelihood), decision)


def _by_likelihood(graph: Graph, likelihood: str) -> Prediction:
    """The most likely class, and likelihoods as shares: double [rows, classes]."""
    top = graph.add("ReduceMax", likelihood, np.array([1]), keepdims=1)
    powers = graph.add("Exp", graph.add("Sub", likelihood, top))
    total = graph.add("Add", graph.add("Log", graph.add("ReduceSum", powers, np.array([1]), keepdims=1)), top)
    # Not a softmax: the sum is rounded to the likelihood's size first, and so are the shares of scikit-learn.
    return Prediction(scores.top_index(graph, likelihood), graph.add("Exp", graph.add("Sub", likelihood, total)))
