"""scikit-learn's trees, forests and gradient boosting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from . import scores
from .ensembles import response
from .graph import columns_of
from .registry import Prediction, numeric_matrix, predict, predictor, transformer
from .tree_ensemble import Tree, tree_rows, tree_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .graph import Column, Graph, Operand


@predictor("sklearn.tree:DecisionTreeClassifier", "sklearn.tree:ExtraTreeClassifier")
def tree_classifier(graph: Graph, model: Any, x: str) -> Prediction:
    return _average_classes(graph, model, [model], x)


@predictor("sklearn.tree:DecisionTreeRegressor", "sklearn.tree:ExtraTreeRegressor")
def tree_regressor(graph: Graph, model: Any, x: str) -> Prediction:
    return _average_value(graph, model, [model], x)


@predictor("sklearn.ensemble:RandomForestClassifier", "sklearn.ensemble:ExtraTreesClassifier")
@predictor("imblearn.ensemble:BalancedRandomForestClassifier")
def forest_classifier(graph: Graph, model: Any, x: str) -> Prediction:
    return _average_classes(graph, model, model.estimators_, x)


@predictor("sklearn.ensemble:RandomForestRegressor", "sklearn.ensemble:ExtraTreesRegressor")
def forest_regressor(graph: Graph, model: Any, x: str) -> Prediction:
    return _average_value(graph, model, model.estimators_, x)


@predictor("sklearn.ensemble:GradientBoostingClassifier")
def gradient_boosting_classifier(graph: Graph, model: Any, x: str) -> Prediction:
    raw = _boosted(graph, model, x)
    if model.estimators_.shape[1] > 1:
        return Prediction(scores.top_index(graph, raw), scores.softmax(graph, raw), raw)
    scale = 2.0 if model.loss == "exponential" else 1.0
    positive = scores.sigmoid(graph, graph.add("Mul", raw, scale))
    # At a score of exactly zero this one answers the positive class, unlike its relatives.
    index = scores.sign_index(graph, raw, strict=False)
    return Prediction(index, scores.binary_probabilities(graph, positive), raw)


@predictor("sklearn.ensemble:GradientBoostingRegressor")
def gradient_boosting_regressor(graph: Graph, model: Any, x: str) -> Prediction:
    return Prediction(value=scores.flat(graph, _boosted(graph, model, x)))


@transformer("sklearn.ensemble:RandomTreesEmbedding")
def trees_embedding(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    """For each tree a column a leaf, 1 where the row ends."""
    x = graph.through_float32(numeric_matrix(graph, model, columns))
    trees = [fitted_tree(each) for each in model.estimators_]
    numbers = [np.arange(len(tree.left), dtype=np.float64) for tree in trees]
    leaves = graph.cast(tree_sum(graph, x, trees, numbers, range(len(trees))), TensorProto.INT64)
    result: list[Column] = []
    for place, (tree, kept) in enumerate(zip(trees, model.one_hot_encoder_.categories_)):
        table = (np.arange(len(tree.left))[:, None] == np.asarray(kept)).astype(np.float64)
        leaf = graph.add("Gather", leaves, np.int64(place), axis=1)
        result.extend(columns_of(graph.add("Gather", table, leaf, axis=0), len(kept)))
    return result


def fitted_tree(estimator: Any, features: np.ndarray | None = None) -> Tree:
    """The arrays of a fitted scikit-learn tree; `features` are the columns it was trained on, where not all."""
    fitted = estimator.tree_
    missing = getattr(fitted, "missing_go_to_left", np.zeros(fitted.node_count))
    chosen = fitted.feature if features is None else np.asarray(features)[np.maximum(fitted.feature, 0)]
    return Tree(fitted.children_left, fitted.children_right, chosen, fitted.threshold, missing)


def _average_classes(graph: Graph, model: Any, estimators: Sequence[Any], x: str) -> Prediction:
    """The mean of the leaves' shares of classes; with several outputs, side by side in one table."""
    counts = np.atleast_1d(model.n_classes_).tolist()
    tables = [
        np.hstack([_class_shares(each.tree_.value[:, output, :count]) for output, count in enumerate(counts)])
        for each in estimators
    ]
    # scikit-learn rounds features to float32 before it compares them with its double thresholds.
    summed = tree_rows(graph, graph.through_float32(x), [fitted_tree(each) for each in estimators], tables)
    probabilities = graph.add("Div", summed, float(len(estimators)))
    if len(counts) == 1:
        return Prediction(scores.top_index(graph, probabilities), probabilities)
    return Prediction(indices=scores.top_indices(graph, probabilities, counts), probabilities=probabilities)


def _class_shares(values: np.ndarray) -> np.ndarray:
    """Nodes hold shares of classes; up to scikit-learn 1.2 they hold counts."""
    total = values.sum(axis=1, keepdims=True)
    return values if np.allclose(total, 1.0) else values / np.where(total == 0, 1.0, total)


def _average_value(graph: Graph, model: Any, estimators: Sequence[Any], x: str) -> Prediction:
    trees = [fitted_tree(each) for each in estimators]
    rounded = graph.through_float32(x)
    if model.n_outputs_ > 1:
        total = tree_rows(graph, rounded, trees, [each.tree_.value[:, :, 0] for each in estimators])
        return Prediction(value=graph.add("Div", total, float(len(trees))))
    values = [each.tree_.value[:, 0, 0] for each in estimators]
    total = tree_sum(graph, rounded, trees, values, [0] * len(trees))
    return Prediction(value=scores.flat(graph, graph.add("Div", total, float(len(trees)))))


def _boosted(graph: Graph, model: Any, x: str) -> str:
    """The raw score of gradient boosting: double [rows, 1], or [rows, classes] with more than two classes."""
    stages, width = model.estimators_.shape
    estimators = model.estimators_.ravel()
    trees = [fitted_tree(each) for each in estimators]
    values = [model.learning_rate * each.tree_.value[:, 0, 0] for each in estimators]
    rounded = graph.through_float32(x)
    summed = tree_sum(graph, rounded, trees, values, list(range(width)) * stages)
    return graph.add("Add", summed, _start(graph, model, rounded))


def _start(graph: Graph, model: Any, x: str) -> Operand:
    """What boosting starts from: constants, or the scores of the model given as `init`."""
    if isinstance(model.init_, str) or type(model.init_).__module__ == "sklearn.dummy":
        return np.asarray(model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))[0])
    first = predict(graph, model.init_, columns_of(x, model.n_features_in_))
    if first.value is not None:
        return graph.add("Unsqueeze", first.value, np.array([1]))
    shares, classes = response(first, model.init_, ("predict_proba",))[0], len(model.classes_)
    least = float(np.finfo(np.float64).eps)
    shares = graph.add("Clip", shares, least, 1.0 - least)
    if classes == 2:
        positive = scores.column(graph, shares, 1)
        logit = graph.add("Log", graph.add("Div", positive, graph.add("Sub", 1.0, positive)))
        return graph.add("Mul", logit, 0.5 if model.loss == "exponential" else 1.0)
    logs = graph.add("Log", shares)
    return graph.add("Sub", logs, graph.add("ReduceMean", logs, np.array([1]), keepdims=1))
