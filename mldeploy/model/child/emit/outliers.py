"""Outlier detectors: isolation forests, robust covariance, local density."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import scores
from .neighbors import neighbors
from .registry import Prediction, predictor, require
from .tree_ensemble import tree_sum
from .trees import fitted_tree

if TYPE_CHECKING:
    from .graph import Graph


@predictor("sklearn.ensemble:IsolationForest")
def isolation_forest(graph: Graph, model: Any, x: str) -> Prediction:
    """2 to the power of minus the mean depth at which a row stands alone (Liu, Ting and Zhou 2008)."""
    require(hasattr(model, "_decision_path_lengths"), model, "this version of scikit-learn")
    trees = [fitted_tree(tree, features) for tree, features in zip(model.estimators_, model.estimators_features_)]
    lengths = zip(model._decision_path_lengths, model._average_path_length_per_tree)
    depths = [path + rest - 1.0 for path, rest in lengths]
    total = tree_sum(graph, graph.through_float32(x), trees, depths, [0] * len(trees))
    usual = len(trees) * _usual_depth(model._max_samples)
    score = graph.add("Neg", graph.add("Pow", 2.0, graph.add("Neg", graph.add("Div", total, usual))))
    return _judged(graph, model, score)


@predictor("sklearn.covariance:EllipticEnvelope")
def elliptic_envelope(graph: Graph, model: Any, x: str) -> Prediction:
    apart = graph.add("Sub", x, np.asarray(model.location_))
    shaped = graph.add("Mul", graph.add("MatMul", apart, model.get_precision()), apart)
    return _judged(graph, model, graph.add("Neg", graph.add("ReduceSum", shaped, np.array([1]), keepdims=1)))


@predictor("sklearn.neighbors:LocalOutlierFactor")
def local_outlier_factor(graph: Graph, model: Any, x: str) -> Prediction:
    """How dense the neighbours are beside the row itself (Breunig and others 2000)."""
    require(model.novelty, model, "novelty=False")
    axis = np.array([1])
    distance, near = neighbors(graph, model, x)
    theirs = graph.add("Gather", model._distances_fit_X_[:, model.n_neighbors_ - 1], near, axis=0)
    reach = graph.add("ReduceMean", graph.add("Max", distance, theirs), axis, keepdims=1)
    dense = graph.add("Div", 1.0, graph.add("Add", reach, 1e-10))
    ratio = graph.add("Div", graph.add("Gather", model._lrd, near, axis=0), dense)
    return _judged(graph, model, graph.add("Neg", graph.add("ReduceMean", ratio, axis, keepdims=1)))


def _judged(graph: Graph, model: Any, score: str) -> Prediction:
    """An inlier from the model's offset on."""
    decision = graph.add("Sub", score, float(np.ravel(model.offset_)[0]))
    return Prediction(scores.outlier_label(graph, decision, strict=False), score=scores.flat(graph, decision))


def _usual_depth(rows: int) -> float:
    """The mean depth of an unsuccessful search among so many rows; of two rows 1, of one 0."""
    if rows <= 2:
        return float(max(rows - 1, 0))
    return float(2.0 * (np.log(rows - 1.0) + np.euler_gamma) - 2.0 * (rows - 1.0) / rows)
