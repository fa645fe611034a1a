"""LightGBM, read from its own dump: double features, thresholds and leaves, and its own ways with missing values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import boosters
from . import scores
from .encode import category_codes
from .graph import Column, columns_of
from .registry import NotEmitted, Prediction, Splits, composite, describe, numeric_matrix, require, splitter
from .tree_ensemble import Tree, tree_leaves, tree_sum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .graph import Graph

ZERO = float(np.float32(1e-35))
"""Numbers up to this size are zero to LightGBM."""
EXPONENTIAL = ("poisson", "gamma", "tweedie")
IDENTITY = ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "lambdarank", "rank_xendcg")


@dataclass
class Nodes:
    """One dumped tree as arrays over its nodes, the root first."""

    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    missing_left: list[bool] = field(default_factory=list)
    members: dict[int, list[float]] = field(default_factory=dict)
    value: list[float] = field(default_factory=list)
    constant: list[float] = field(default_factory=list)
    slopes: list[dict[int, float]] = field(default_factory=list)

    def append(self, saved: dict[str, Any]) -> int:
        """Append a subtree; its number."""
        node = len(self.left)
        inner = "split_feature" in saved
        is_set = inner and saved["decision_type"] == "=="
        self.left.append(-1)
        self.right.append(-1)
        self.feature.append(saved["split_feature"] if inner else 0)
        self.threshold.append(_threshold(saved) if inner and not is_set else 0.0)
        self.missing_left.append(inner and not is_set and _missing_left(saved))
        self.value.append(saved.get("leaf_value", 0.0))
        self.constant.append(saved.get("leaf_const", self.value[node]))
        self.slopes.append(dict(zip(saved.get("leaf_features", []), saved.get("leaf_coeff", []))))
        if is_set:
            self.members[node] = [float(code) for code in saved["threshold"].split("||")]
        if inner:
            self.left[node] = self.append(saved["left_child"])
            self.right[node] = self.append(saved["right_child"])
        return node

    def tree(self) -> Tree:
        return Tree(
            np.array(self.left),
            np.array(self.right),
            np.array(self.feature),
            np.array(self.threshold),
            np.array(self.missing_left),
            self.members,
        )


@composite("lightgbm:LGBMClassifier", f"{boosters.__name__}:LightGBMClassifier")
def lightgbm_classifier(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    """`predict` takes the first largest of `predict_proba`."""
    require(not callable(getattr(model, "objective", None)), model, "an objective of its own")
    outputs = _outputs(graph, model, model.booster_, columns)
    if model.n_classes_ <= 2:
        outputs = scores.binary_probabilities(graph, outputs)
    return Prediction(scores.top_index(graph, outputs), outputs)


@composite("lightgbm:LGBMRegressor", "lightgbm:LGBMRanker", f"{boosters.__name__}:LightGBMRegressor")
def lightgbm_regressor(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    return Prediction(value=scores.flat(graph, _outputs(graph, model, model.booster_, columns)))


@splitter("lightgbm:LGBMClassifier", "lightgbm:LGBMRegressor", "lightgbm:LGBMRanker")
@splitter(*(f"{boosters.__name__}:LightGBM{kind}" for kind in ("Classifier", "Regressor")))
def lightgbm_splits(model: Any) -> Splits:
    saved = model.booster_.dump_model()
    splits = [
        (tree.feature[node], tree.threshold[node])
        for tree in _trees(saved)
        for node in range(len(tree.left))
        if tree.left[node] >= 0 and node not in tree.members
    ]
    categories = _categories(model, model.booster_, saved)
    return Splits([feature for feature, _ in splits], [edge for _, edge in splits], categories)


def _outputs(graph: Graph, model: Any, booster: Any, columns: list[Column]) -> str:
    """What `Booster.predict` answers: double [rows, 1], or [rows, classes] with more than two classes."""
    saved = booster.dump_model()
    objective, *settings = saved.get("objective", "none").split()
    raw = _raw(graph, model, booster, saved, columns)
    slope = next((float(each.partition(":")[2]) for each in settings if each.startswith("sigmoid:")), 1.0)
    if objective == "multiclass":
        return scores.softmax(graph, raw)
    if objective in ("binary", "multiclassova"):
        return scores.sigmoid(graph, graph.add("Mul", raw, slope))
    if objective == "cross_entropy":
        return scores.sigmoid(graph, raw)
    if objective == "cross_entropy_lambda":
        return graph.add("Log", graph.add("Add", graph.add("Exp", raw), 1.0))
    if objective in EXPONENTIAL:
        return graph.add("Exp", raw)
    if "sqrt" in settings:
        return graph.add("Mul", raw, graph.add("Abs", raw))
    require(objective in IDENTITY, model, f"objective={objective!r}")
    return raw


def _raw(graph: Graph, model: Any, booster: Any, saved: dict[str, Any], columns: list[Column]) -> str:
    """The sum of the leaves (for a random forest their mean): double [rows, trees an iteration]."""
    trees = _trees(saved)
    x = _features(graph, model, booster, saved, trees, columns)
    groups = saved["num_tree_per_iteration"]
    targets = [number % groups for number in range(len(trees))]
    if any(slopes for tree in trees for slopes in tree.slopes):
        summed = _linear_leaves(graph, x, trees, groups)
    else:
        summed = tree_sum(graph, x, [tree.tree() for tree in trees], [np.array(tree.value) for tree in trees], targets)
    return graph.add("Div", summed, float(len(trees) // groups)) if saved["average_output"] else summed


def _features(
    graph: Graph, model: Any, booster: Any, saved: dict[str, Any], trees: list[Nodes], columns: list[Column]
) -> str:
    """One column a feature; categories by their number, and what counts as missing as NaN."""
    named = _categories(model, booster, saved)
    in_sets = {tree.feature[node] for tree in trees for node in tree.members}
    zero_is_missing = _zero_is_missing(saved)
    result = list(columns)
    for place, column in enumerate(columns):
        if place in named:
            result[place] = category_codes(graph, column, named[place])
            continue
        x = numeric_matrix(graph, model, [column])
        if place in in_sets:
            # A number that stands for a category is cut towards zero.
            whole = graph.add("Mul", graph.add("Sign", x), graph.add("Floor", graph.add("Abs", x)))
            result[place] = columns_of(whole, 1)[0]
        elif place in zero_is_missing:
            near_zero = graph.add("LessOrEqual", graph.add("Abs", x), ZERO)
            result[place] = columns_of(graph.add("Where", near_zero, np.nan, x), 1)[0]
    return numeric_matrix(graph, model, result)


def _categories(model: Any, booster: Any, saved: dict[str, Any]) -> dict[int, list[Any]]:
    """The categories of each column that was one of pandas' categories, by its place."""
    named = saved.get("pandas_categorical") or []
    if not named:
        return {}
    kept = booster.params.get("categorical_column", booster.params.get("categorical_feature"))
    if not isinstance(kept, (list, tuple)) or len(kept) != len(named):
        raise NotEmitted(f"{describe(model)} does not tell which columns hold its categories")
    return {int(place): list(values) for place, values in zip(kept, named)}


def _trees(saved: dict[str, Any]) -> list[Nodes]:
    trees = []
    for each in saved["tree_info"]:
        nodes = Nodes()
        nodes.append(each["tree_structure"])
        trees.append(nodes)
    return trees


def _threshold(saved: dict[str, Any]) -> float:
    """What parts the rows as the saved threshold does once small numbers have become zero."""
    edge = float(saved["threshold"])
    if abs(edge) > ZERO:
        return edge
    return ZERO if edge >= 0 else float(np.nextafter(-ZERO, -np.inf))


def _missing_left(saved: dict[str, Any]) -> bool:
    """Where a missing value goes; a feature that had none in training takes it for zero."""
    if saved["missing_type"] == "None":
        return bool(saved["threshold"] >= 0)
    return bool(saved["default_left"])


def _zero_is_missing(saved: dict[str, Any]) -> set[int]:
    return {
        node["split_feature"]
        for tree in saved["tree_info"]
        for node in _inner(tree["tree_structure"])
        if node["missing_type"] == "Zero" and node["decision_type"] != "=="
    }


def _inner(saved: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "split_feature" in saved:
        yield saved
        yield from _inner(saved["left_child"])
        yield from _inner(saved["right_child"])


def _linear_leaves(graph: Graph, x: str, trees: list[Nodes], groups: int) -> str:
    """Leaves that are linear in some features, and their plain value where one of these is missing."""
    counts = [len(tree.left) for tree in trees]
    slopes = [each for tree in trees for each in tree.slopes]
    width = max(len(each) for each in slopes)
    # Unused places point behind the features, at a column of zeros.
    padding = max(max(tree.feature) for tree in trees) + 1
    padding = max([padding, *(feature + 1 for each in slopes for feature in each)])
    used = np.array([[*each, *[padding] * (width - len(each))] for each in slopes])
    factors = np.array([[*each.values(), *[0.0] * (width - len(each))] for each in slopes])
    leaves = tree_leaves(graph, x, [tree.tree() for tree in trees], counts)
    kept = graph.add("Slice", x, np.array([0]), np.array([padding]), np.array([1]))
    padded = graph.add("Pad", kept, np.array([0, 0, 0, 1]), 0.0)
    places = graph.add("Reshape", graph.add("Gather", used, leaves, axis=0), np.array([0, -1]))
    values = graph.add("GatherElements", padded, places, axis=1)
    values = graph.add("Reshape", values, np.array([0, len(trees), width]))
    products = graph.add("Mul", values, graph.add("Gather", factors, leaves, axis=0))
    sloped = graph.add("ReduceSum", products, np.array([2]), keepdims=0)
    constants = np.concatenate([tree.constant for tree in trees])
    linear = graph.add("Add", sloped, graph.add("Gather", constants, leaves, axis=0))
    plain = graph.add("Gather", np.concatenate([tree.value for tree in trees]), leaves, axis=0)
    answers = graph.add("Where", graph.add("IsNaN", linear), plain, linear)
    by_group = graph.add("Reshape", answers, np.array([0, -1, groups]))
    return graph.add("ReduceSum", by_group, np.array([1]), keepdims=0)
