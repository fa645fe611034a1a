"""Linear projections: PCA and its relatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .graph import columns_of
from .registry import numeric_matrix, require, transformer

if TYPE_CHECKING:
    from .graph import Column, Graph


@transformer("sklearn.decomposition:PCA", "sklearn.decomposition:IncrementalPCA")
def pca(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    projected = graph.add("MatMul", numeric_matrix(graph, model, columns), model.components_.T)
    projected = graph.add("Sub", projected, model.mean_.reshape(1, -1) @ model.components_.T)
    if model.whiten:
        scale = np.maximum(np.sqrt(model.explained_variance_), np.finfo(np.float64).eps)
        projected = graph.add("Div", projected, scale)
    return columns_of(projected, len(model.components_))


@transformer("sklearn.decomposition:TruncatedSVD")
def truncated_svd(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    x = numeric_matrix(graph, model, columns)
    return columns_of(graph.add("MatMul", x, model.components_.T), len(model.components_))


@transformer("sklearn.decomposition:FastICA")
def fast_ica(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    x = numeric_matrix(graph, model, columns)
    if model.whiten:
        x = graph.add("Sub", x, model.mean_)
    return columns_of(graph.add("MatMul", x, model.components_.T), len(model.components_))


@transformer("sklearn.decomposition:FactorAnalysis")
def factor_analysis(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    weights = model.components_ / model.noise_variance_
    inverse = np.linalg.inv(np.eye(len(model.components_)) + weights @ model.components_.T)
    centred = graph.add("Sub", numeric_matrix(graph, model, columns), model.mean_)
    projected = graph.add("MatMul", graph.add("MatMul", centred, weights.T), inverse)
    return columns_of(projected, len(model.components_))


@transformer("sklearn.discriminant_analysis:LinearDiscriminantAnalysis")
def discriminant_axes(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    require(model.solver in ("svd", "eigen"), model, f"solver={model.solver!r} as a transformer")
    x = numeric_matrix(graph, model, columns)
    if model.solver == "svd":
        x = graph.add("Sub", x, model.xbar_)
    axes = model.scalings_[:, : model._max_components]
    return columns_of(graph.add("MatMul", x, axes), axes.shape[1])
