"""xgboost, read from its own JSON. Features, leaves and their sum are float32, as in the library."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from .. import boosters
from . import entries, scores
from .encode import category_codes
from .graph import columns_of
from .registry import NotEmitted, Prediction, Splits, composite, describe, numeric_matrix, require, splitter
from .tree_ensemble import Tree, tree_sum

if TYPE_CHECKING:
    from .graph import Column, Graph

LOGISTIC = ("binary:logistic", "reg:logistic")
EXPONENTIAL = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")
IDENTITY = (
    *("reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror"),
    *("binary:logitraw", "rank:ndcg", "rank:map", "rank:pairwise"),
)
CATEGORY = "c"


@dataclass(frozen=True)
class Learner:
    """The parts of a saved learner that answers depend on; `groups` is the number of scores a row."""

    saved: dict[str, Any]
    groups: int

    @property
    def objective(self) -> str:
        return str(self.saved["objective"]["name"])

    @property
    def booster(self) -> dict[str, Any]:
        return dict(self.saved["gradient_booster"])

    @property
    def base_scores(self) -> np.ndarray:
        """In the units of the summed leaves: float32 [groups]."""
        saved = np.atleast_1d(np.float32(json.loads(self.saved["learner_model_param"]["base_score"])))
        base = np.broadcast_to(saved, self.groups)
        if self.objective in LOGISTIC:
            return np.asarray(-np.log(np.float32(1) / base - np.float32(1)))
        return np.log(base) if self.objective in EXPONENTIAL else base

    @property
    def model(self) -> dict[str, Any]:
        booster = self.booster
        return dict((booster["gbtree"] if booster["name"] == "dart" else booster)["model"])

    def categories(self) -> dict[int, list[Any]]:
        """The categories of each feature that had names for them, by the feature's place."""
        encoded = self.model.get("cats", {}).get("enc", [])
        return {place: _category_values(each) for place, each in enumerate(encoded) if each["values"]}

    def coded(self) -> list[int]:
        """The features that are categories."""
        return [place for place, kind in enumerate(self.saved.get("feature_types", [])) if kind == CATEGORY]


def learner_of(booster: Any) -> Learner:
    saved = json.loads(booster.save_raw("json"))["learner"]
    sizes = saved["learner_model_param"]
    return Learner(saved, max(1, int(sizes["num_class"]), int(sizes.get("num_target", 1))))


@composite("xgboost:XGBClassifier", "xgboost:XGBRFClassifier", f"{boosters.__name__}:XGBoostClassifier")
def xgboost_classifier(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    """`predict` compares float32 probabilities: above a half for two classes, else the first largest."""
    learner = learner_of(model.get_booster())
    raw = _raw(graph, model, learner, columns)
    if learner.groups > 1:
        known = learner.objective in ("multi:softprob", "multi:softmax") and learner.groups > 2
        require(known, model, f"objective={learner.objective!r} for {learner.groups} classes")
        shares = scores.softmax(graph, raw)
        return Prediction(scores.top_index(graph, graph.through_float32(shares)), shares)
    if learner.objective == "binary:hinge":
        index = scores.sign_index(graph, raw)
        return Prediction(index, scores.one_of(graph, index, 2))
    positive = graph.through_float32(_outputs(graph, model, learner, raw))
    index = scores.sign_index(graph, graph.add("Sub", positive, 0.5))
    return Prediction(index, scores.binary_probabilities(graph, positive))


@composite("xgboost:XGBRegressor", "xgboost:XGBRFRegressor", "xgboost:XGBRanker")
@composite(f"{boosters.__name__}:XGBoostRegressor")
def xgboost_regressor(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    learner = learner_of(model.get_booster())
    outputs = _outputs(graph, model, learner, _raw(graph, model, learner, columns))
    return Prediction(value=scores.flat(graph, outputs) if learner.groups == 1 else outputs)


@splitter("xgboost:XGBClassifier", "xgboost:XGBRFClassifier")
@splitter("xgboost:XGBRegressor", "xgboost:XGBRFRegressor", "xgboost:XGBRanker")
@splitter(*(f"{boosters.__name__}:XGBoost{kind}" for kind in ("Classifier", "Regressor")))
def xgboost_splits(model: Any) -> Splits:
    learner = learner_of(model.get_booster())
    trees = _tree_list(learner)
    numeric = [np.equal(tree["split_type"], 0) & (np.array(tree["left_children"]) >= 0) for tree in trees]
    return Splits(
        [int(feature) for tree, kept in zip(trees, numeric) for feature in np.array(tree["split_indices"])[kept]],
        [float(edge) for tree, kept in zip(trees, numeric) for edge in _floats(tree["split_conditions"])[kept]],
        learner.categories(),
        # xgboost answers for an unseen category as for the next known one in the order of names, or refuses it.
        closed=True,
    )


def _outputs(graph: Graph, model: Any, learner: Learner, raw: str) -> str:
    """From summed leaves to what `Booster.predict` answers: double [rows, groups]."""
    if learner.objective in LOGISTIC:
        return scores.sigmoid(graph, raw)
    if learner.objective in EXPONENTIAL:
        return graph.add("Exp", raw)
    require(learner.objective in IDENTITY, model, f"objective={learner.objective!r}")
    return raw


def _raw(graph: Graph, model: Any, learner: Learner, columns: list[Column]) -> str:
    """The base score and all leaves, summed in float32 in the library's order: double [rows, groups]."""
    features = _features(graph, model, learner, columns)
    if features in graph.entries:
        # Counts that cancel out are zeros that a sparse matrix does store.
        features = entries.matrix(graph, graph.entries[features], np.nan)
        columns = [replace(column, sparse=False) for column in columns]
    for block, _ in graph.blocks.get(features, ()):
        cancels = block in graph.entries and graph.entries[block].signed
        require(not cancels, model, "counts that may cancel out (alternate_sign=True) beside other columns")
    x = graph.cast(features, TensorProto.FLOAT)
    missing = getattr(model, "missing", np.nan)
    if missing is not None and not np.isnan(missing):
        x = graph.add("Where", graph.add("Equal", x, np.float32(missing)), np.float32(np.nan), x)
    if any(column.sparse for column in columns):
        # xgboost takes what a sparse matrix does not store as missing.
        x = graph.add("Where", graph.add("Equal", x, np.float32(0)), np.float32(np.nan), x)
    if learner.booster["name"] == "gblinear":
        return _linear(graph, learner, x)
    trees = _used(model, learner)
    weights = learner.booster.get("weight_drop", np.ones(len(trees)))
    groups = learner.model["tree_info"]
    leaves = [_floats(tree["split_conditions"]) * np.float32(weight) for tree, weight in zip(trees, weights)]
    # The base scores stand first, as trees of one leaf, so that the sum is rounded as the library rounds it.
    leaf, nothing = np.array([-1]), np.array([0])
    stumps = [Tree(leaf, leaf, nothing, nothing, nothing)] * learner.groups
    summed = tree_sum(
        graph,
        x,
        stumps + [_tree(model, tree) for tree in trees],
        [base[np.newaxis] for base in learner.base_scores] + leaves,
        [*range(learner.groups), *groups[: len(trees)]],
        single=True,
    )
    return graph.cast(summed, TensorProto.DOUBLE)


def _features(graph: Graph, model: Any, learner: Learner, columns: list[Column]) -> str:
    """One column a feature; categories by their number."""
    named, coded = learner.categories(), learner.coded()
    result = list(columns)
    for place, column in enumerate(columns):
        if place in named:
            result[place] = category_codes(graph, column, named[place])
        elif place in coded:
            number = graph.add("Floor", numeric_matrix(graph, model, [column]))
            result[place] = columns_of(number, 1)[0]
    return numeric_matrix(graph, model, result)


def _floats(values: Any) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)


def _category_values(encoded: dict[str, Any]) -> list[Any]:
    """Names are kept as the bytes of their UTF-8, one after the other."""
    if "offsets" not in encoded:
        return list(encoded["values"])
    text = bytes(value & 0xFF for value in encoded["values"])
    return [text[start:stop].decode() for start, stop in zip(encoded["offsets"], encoded["offsets"][1:])]


def _tree_list(learner: Learner) -> list[dict[str, Any]]:
    return [] if learner.booster["name"] == "gblinear" else list(learner.model["trees"])


def _used(model: Any, learner: Learner) -> list[dict[str, Any]]:
    """The trees up to the best round where training stopped early, which the estimators use and a Booster does not."""
    trees = _tree_list(learner)
    best = learner.saved["attributes"].get("best_iteration")
    if best is None or isinstance(model, boosters.BoosterModel):
        return trees
    rounds = learner.model.get("iteration_indptr")
    if rounds is None:
        raise NotEmitted(f"{describe(model)}, stopped early by an xgboost before 2.0, has no exact emitter")
    return trees[: rounds[int(best) + 1]]


def _tree(model: Any, tree: dict[str, Any]) -> Tree:
    require(int(tree["tree_param"]["size_leaf_vector"]) <= 1, model, "several values a leaf")
    left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
    missing_left = np.array(tree["default_left"], dtype=bool)
    members: dict[int, list[float]] = {}
    for node, start, size in zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"]):
        members[int(node)] = [float(value) for value in tree["categories"][start : start + size]]
        # Here the members of a set go right.
        left[node], right[node], missing_left[node] = right[node], left[node], not missing_left[node]
    # `x < t` of float32 is `x <= ` the number below t.
    threshold = np.nextafter(_floats(tree["split_conditions"]), np.float32(-np.inf))
    return Tree(left, right, np.array(tree["split_indices"]), threshold, missing_left, members)


def _linear(graph: Graph, learner: Learner, x: str) -> str:
    """The weights stand feature by feature, the biases last; a missing value counts nothing.

    xgboost adds the first group's base score to every group.
    """
    weights = np.reshape(learner.model["weights"], (-1, learner.groups))
    base = float(learner.base_scores[0])
    known = graph.add("Where", graph.add("IsNaN", x), np.float32(0), x)
    product = graph.add("MatMul", graph.cast(known, TensorProto.DOUBLE), weights[:-1])
    return graph.add("Add", product, weights[-1] + base)
