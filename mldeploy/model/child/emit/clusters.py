"""Clusterers that place new rows, and mixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from . import scores
from .distances import nearest, squared_distances
from .graph import columns_of
from .registry import Prediction, numeric_matrix, predictor, require, transformer

if TYPE_CHECKING:
    from .graph import Column, Graph


@predictor(
    "sklearn.cluster:AffinityPropagation",
    "sklearn.cluster:KMeans",
    "sklearn.cluster:MeanShift",
    "sklearn.cluster:MiniBatchKMeans",
)
def by_center(graph: Graph, model: Any, x: str) -> Prediction:
    centers = np.asarray(model.cluster_centers_, dtype=np.float64)
    require(len(centers) > 0, model, "no cluster")
    return Prediction(nearest(graph, x, centers))


@transformer("sklearn.cluster:BisectingKMeans", "sklearn.cluster:KMeans", "sklearn.cluster:MiniBatchKMeans")
def center_distances(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    return _distances(graph, model, columns, model.cluster_centers_)


@predictor("sklearn.cluster:Birch")
def birch(graph: Graph, model: Any, x: str) -> Prediction:
    place = nearest(graph, x, np.asarray(model.subcluster_centers_, dtype=np.float64))
    return Prediction(graph.add("Gather", np.asarray(model.subcluster_labels_), place, axis=0))


@transformer("sklearn.cluster:Birch")
def birch_distances(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    return _distances(graph, model, columns, model.subcluster_centers_)


@predictor("sklearn.cluster:BisectingKMeans")
def bisecting(graph: Graph, model: Any, x: str) -> Prediction:
    """From the root on, the nearer of the two parts of a cluster."""
    shift = getattr(model, "_X_mean", 0.0)

    def below(node: Any) -> str:
        if node.left is None:
            return graph.constant(np.int64(node.label))
        right = nearest(graph, x, np.vstack([node.left.center, node.right.center]) + shift)
        return graph.add("Where", graph.cast(right, TensorProto.BOOL), below(node.right), below(node.left))

    require(model._bisecting_tree.left is not None, model, "a single cluster")
    return Prediction(below(model._bisecting_tree))


@predictor("sklearn.mixture:BayesianGaussianMixture", "sklearn.mixture:GaussianMixture")
def mixture(graph: Graph, model: Any, x: str) -> Prediction:
    """The likeliest component: what the model says of its mean, less half the squared distance from there."""
    at_mean = np.diag(model._estimate_weighted_log_prob(model.means_))
    parts = []
    for place, (mean, root) in enumerate(zip(model.means_, _roots(model))):
        scaled = graph.add("MatMul", graph.add("Sub", x, mean), root)
        square = graph.add("ReduceSumSquare", scaled, np.array([1]), keepdims=1)
        parts.append(graph.add("Sub", float(at_mean[place]), graph.add("Mul", square, 0.5)))
    weighted = graph.add("Concat", *parts, axis=1)
    return Prediction(scores.top_index(graph, weighted), scores.softmax(graph, weighted))


def _roots(model: Any) -> list[np.ndarray]:
    """Of each component a matrix whose square is the inverse covariance."""
    roots, size = model.precisions_cholesky_, len(model.means_)
    if model.covariance_type == "full":
        return list(roots)
    if model.covariance_type == "tied":
        return [roots] * size
    if model.covariance_type == "diag":
        return [np.diag(each) for each in roots]
    return [each * np.eye(model.means_.shape[1]) for each in roots]


def _distances(graph: Graph, model: Any, columns: list[Column], centers: Any) -> list[Column]:
    x = numeric_matrix(graph, model, columns)
    squared = squared_distances(graph, x, np.asarray(centers, dtype=np.float64))
    return columns_of(graph.add("Sqrt", squared), len(centers))
