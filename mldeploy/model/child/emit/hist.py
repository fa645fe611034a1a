"""Histogram gradient boosting: double thresholds, the trained way of missing values, sets of categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import scores
from .registry import Prediction, composite, numeric_matrix, require, transform
from .tree_ensemble import Tree, tree_sum

if TYPE_CHECKING:
    from .graph import Column, Graph

WORD_BITS = 32


@composite("sklearn.ensemble:HistGradientBoostingClassifier")
def hist_classifier(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    raw = _raw(graph, model, columns)
    if model.n_trees_per_iteration_ > 1:
        return Prediction(scores.top_index(graph, raw), scores.softmax(graph, raw), raw)
    positive = scores.sigmoid(graph, raw)
    return Prediction(scores.sign_index(graph, raw), scores.binary_probabilities(graph, positive), raw)


@composite("sklearn.ensemble:HistGradientBoostingRegressor")
def hist_regressor(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    raw = scores.flat(graph, _raw(graph, model, columns))
    if model.loss in ("poisson", "gamma"):
        return Prediction(value=graph.add("Exp", raw))
    require(model.loss in ("squared_error", "absolute_error", "quantile"), model, f"loss={model.loss!r}")
    return Prediction(value=raw)


def _raw(graph: Graph, model: Any, columns: list[Column]) -> str:
    """The sum of leaves over all trees: double [rows, trees an iteration]."""
    x = numeric_matrix(graph, model, _preprocessed(graph, model, columns))
    stages = model._predictors
    trees = [_tree(model, predictor) for stage in stages for predictor in stage]
    leaves = [predictor.nodes["value"] for stage in stages for predictor in stage]
    targets = list(range(model.n_trees_per_iteration_)) * len(stages)
    return graph.add("Add", tree_sum(graph, x, trees, leaves, targets), np.ravel(model._baseline_prediction))


def _preprocessed(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    """With native categories the model puts these first, as codes of its own ordinal encoder."""
    inner = getattr(model, "_preprocessor", None)
    if inner is None:
        return columns
    chosen = inner._transformer_to_input_indices
    encoded = transform(graph, inner.named_transformers_["encoder"], [columns[at] for at in chosen["encoder"]])
    return encoded + [columns[at] for at in chosen["numerical"]]


def _tree(model: Any, predictor: Any) -> Tree:
    nodes = predictor.nodes
    members = {}
    left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    left[nodes["is_leaf"] != 0] = -1
    for at in np.flatnonzero((nodes["is_categorical"] != 0) & (nodes["is_leaf"] == 0)):
        require(model._preprocessor is not None, model, "categories of scikit-learn before 1.4")
        members[int(at)] = _members(predictor, nodes[at])
    return Tree(left, right, nodes["feature_idx"], nodes["num_threshold"], nodes["missing_go_to_left"], members)


def _members(predictor: Any, node: Any) -> list[float]:
    """The category codes that go left."""
    words = predictor.raw_left_cat_bitsets[node["bitset_idx"]]
    return [float(code) for code in range(len(words) * WORD_BITS) if words[code // WORD_BITS] >> (code % WORD_BITS) & 1]
