"""CatBoost, read from its own JSON: float32 features and borders, double leaves, trees that ask the same on a level."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from . import scores
from .registry import Prediction, Splits, composite, numeric_matrix, require, splitter
from .tree_ensemble import Tree, tree_rows

if TYPE_CHECKING:
    from .graph import Column, Graph

EXPONENTIAL = ("Poisson", "Tweedie")
IDENTITY = (
    *("Expectile", "Huber", "LogCosh", "LogLinQuantile", "Lq", "MAE", "MAPE", "MultiQuantile", "MultiRMSE"),
    *("Quantile", "RMSE"),
)
BINARY = ("CrossEntropy", "Focal", "Logloss")


@composite("catboost:CatBoostClassifier")
def catboost_classifier(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    saved = _saved(model)
    raw, loss = _raw(graph, model, saved, columns), _loss(saved)
    if loss in BINARY:
        threshold = float(model.get_probability_threshold() or 0.5)
        decided = graph.add("Sub", raw, float(np.log(threshold / (1 - threshold))))
        shares = scores.binary_probabilities(graph, scores.sigmoid(graph, raw))
        return Prediction(scores.sign_index(graph, decided), shares, raw)
    require(loss in ("MultiClass", "MultiClassOneVsAll"), model, f"the loss {loss}")
    shares = scores.softmax(graph, raw) if loss == "MultiClass" else scores.sigmoid(graph, raw)
    return Prediction(scores.top_index(graph, raw), shares, raw)


@composite("catboost:CatBoostRegressor")
def catboost_regressor(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    saved = _saved(model)
    raw, loss = _raw(graph, model, saved, columns), _loss(saved)
    require(loss in EXPONENTIAL + IDENTITY, model, f"the loss {loss}")
    value = graph.add("Exp", raw) if loss in EXPONENTIAL else raw
    return Prediction(value=scores.flat(graph, value) if _width(saved) == 1 else value)


@splitter("catboost:CatBoostClassifier", "catboost:CatBoostRegressor")
def catboost_splits(model: Any) -> Splits:
    floats = _saved(model)["features_info"].get("float_features", [])
    borders = [(int(each["flat_feature_index"]), float(edge)) for each in floats for edge in each["borders"] or []]
    return Splits([feature for feature, _ in borders], [edge for _, edge in borders], {})


def _saved(model: Any) -> dict[str, Any]:
    """The library writes its JSON to files only."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        model.save_model(str(path), format="json")
        saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return saved


def _loss(saved: dict[str, Any]) -> str:
    return str(saved["model_info"]["params"]["loss_function"]["type"])


def _width(saved: dict[str, Any]) -> int:
    return len(saved["scale_and_bias"][1])


def _raw(graph: Graph, model: Any, saved: dict[str, Any], given: list[Column]) -> str:
    """The scaled sum of all leaves: double [rows, scores]."""
    for kind in ("categorical", "text", "embedding"):
        require(not saved["features_info"].get(f"{kind}_features"), model, f"{kind} features")
    x = numeric_matrix(graph, model, given)
    floats = saved["features_info"]["float_features"]
    # Training may have chosen that a missing value is larger than all others; else it is above no border.
    above = [int(each["flat_feature_index"]) for each in floats if each["nan_value_treatment"] == "AsTrue"]
    if above:
        largest = np.isin(np.arange(len(model.feature_names_)), above)
        x = graph.add("Where", graph.add("And", graph.add("IsNaN", x), largest), np.inf, x)
    columns = [int(each["flat_feature_index"]) for each in floats]
    write = _level_trees if "oblivious_trees" in saved else _free_trees
    scale, bias = saved["scale_and_bias"]
    summed = write(graph, saved, columns, x)
    return graph.add("Add", graph.add("Mul", summed, float(scale)), np.array(bias, dtype=np.float64))


def _level_trees(graph: Graph, saved: dict[str, Any], columns: list[int], x: str) -> str:
    """All borders are compared at once: the answers of one tree are the bits of its leaf's number."""
    trees = saved["oblivious_trees"]
    depth = max(1, *(len(tree["splits"] or []) for tree in trees))
    features = np.zeros((len(trees), depth), dtype=np.int64)
    borders = np.full((len(trees), depth), np.inf, dtype=np.float32)
    for place, tree in enumerate(trees):
        for level, split in enumerate(tree["splits"] or []):
            features[place, level] = columns[split["float_feature_index"]]
            borders[place, level] = split["border"]
    leaves = [np.reshape(tree["leaf_values"], (-1, _width(saved))) for tree in trees]
    starts = np.cumsum([0] + [len(table) for table in leaves[:-1]])
    single = graph.cast(x, TensorProto.FLOAT)
    bits = graph.add("Greater", graph.add("Gather", single, features.ravel(), axis=1), borders.ravel())
    weights = graph.cast(graph.constant(np.tile(2 ** np.arange(depth), len(trees))), TensorProto.INT32)
    weighed = graph.add("Mul", graph.cast(bits, TensorProto.INT32), weights)
    by_tree = graph.add("Reshape", weighed, np.array([0, len(trees), depth]))
    inside = graph.add("ReduceSum", by_tree, np.array([2]), keepdims=0)
    numbers = graph.add("Add", graph.cast(inside, TensorProto.INT64), starts)
    rows = graph.add("Gather", np.concatenate(leaves), numbers, axis=0)
    return graph.add("ReduceSum", rows, np.array([1]), keepdims=0)


def _free_trees(graph: Graph, saved: dict[str, Any], columns: list[int], x: str) -> str:
    """Trees of any shape."""
    written = [_tree(each, columns, _width(saved)) for each in saved["trees"]]
    return tree_rows(graph, graph.through_float32(x), [tree for tree, _ in written], [table for _, table in written])


def _tree(saved: dict[str, Any], columns: list[int], width: int) -> tuple[Tree, np.ndarray]:
    left: list[int] = []
    right: list[int] = []
    feature: list[int] = []
    border: list[float] = []
    values: list[Any] = []

    def append(node: dict[str, Any]) -> int:
        number = len(left)
        inner = "split" in node
        left.append(-1)
        right.append(-1)
        feature.append(columns[node["split"]["float_feature_index"]] if inner else 0)
        border.append(node["split"]["border"] if inner else 0.0)
        values.append(np.zeros(width) if inner else np.reshape(node["value"], width))
        if inner:
            left[number], right[number] = append(node["left"]), append(node["right"])
        return number

    append(saved)
    edges = np.array(border, dtype=np.float32)
    tree = Tree(np.array(left), np.array(right), np.array(feature), edges, np.ones(len(left)))
    return tree, np.array(values, dtype=np.float64)
