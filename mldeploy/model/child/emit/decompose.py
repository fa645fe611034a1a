"""Linear projections: PCA and its relatives, random ones, those learned with targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import scores
from .entries import product
from .graph import columns_of
from .registry import NotEmitted, Prediction, describe, numeric_matrix, predictor, require, transformer

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
    return columns_of(product(graph, x, model.components_.T), len(model.components_))


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


@transformer("sklearn.neighbors:NeighborhoodComponentsAnalysis")
def neighborhood_components(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    return _projected(graph, numeric_matrix(graph, model, columns), model.components_.T)


@transformer("sklearn.random_projection:GaussianRandomProjection", "sklearn.random_projection:SparseRandomProjection")
def random_projection(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    components = model.components_
    dense = components.toarray() if hasattr(components, "toarray") else components
    return _projected(graph, numeric_matrix(graph, model, columns), dense.T)


@transformer("sklearn.decomposition:MiniBatchSparsePCA", "sklearn.decomposition:SparsePCA")
def sparse_pca(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    """The ridge regression of a row on the components."""
    components = model.components_
    inner = components @ components.T + model.ridge_alpha * np.eye(len(components))
    centred = graph.add("Sub", numeric_matrix(graph, model, columns), model.mean_)
    return _projected(graph, centred, np.linalg.solve(inner, components).T)


@transformer("sklearn.cluster:FeatureAgglomeration")
def feature_agglomeration(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    require(model.pooling_func is np.mean, model, "a pooling_func of its own")
    groups = np.unique(model.labels_, return_inverse=True)[1]
    member = np.eye(groups.max() + 1)[groups]
    return _projected(graph, numeric_matrix(graph, model, columns), member / member.sum(axis=0))


@transformer("sklearn.neural_network:BernoulliRBM")
def boltzmann_machine(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    hidden = graph.add("MatMul", numeric_matrix(graph, model, columns), model.components_.T)
    hidden = scores.sigmoid(graph, graph.add("Add", hidden, model.intercept_hidden_))
    return columns_of(hidden, len(model.components_))


@predictor(
    "sklearn.cross_decomposition:CCA",
    "sklearn.cross_decomposition:PLSCanonical",
    "sklearn.cross_decomposition:PLSRegression",
)
def partial_least_squares(graph: Graph, model: Any, x: str) -> Prediction:
    value = graph.add("MatMul", graph.add("Sub", x, model._x_mean), model.coef_.T)
    value = graph.add("Add", value, np.atleast_1d(model.intercept_))
    return Prediction(value=scores.flat(graph, value) if len(model.coef_) == 1 else value)


@transformer("sklearn.cross_decomposition:PLSSVD")
def partial_components(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    centred = graph.add("Sub", numeric_matrix(graph, model, columns), model._x_mean)
    return _projected(graph, graph.add("Div", centred, model._x_std), model.x_weights_)


@transformer("sklearn.decomposition:MiniBatchNMF", "sklearn.decomposition:NMF")
def searched_together(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:  # noqa: ARG001
    raise NotEmitted(
        f"{describe(model)} has no exact emitter: it searches for the answers to all rows of a call together, "
        "so that a row's answer hangs on the rows beside it"
    )


@transformer(
    "sklearn.decomposition:DictionaryLearning",
    "sklearn.decomposition:LatentDirichletAllocation",
    "sklearn.decomposition:MiniBatchDictionaryLearning",
    "sklearn.decomposition:SparseCoder",
)
def searched(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:  # noqa: ARG001
    raise NotEmitted(f"{describe(model)} has no exact emitter: it searches step by step for the answer to each row")


def _projected(graph: Graph, x: str, axes: np.ndarray) -> list[Column]:
    axes = np.asarray(axes, dtype=np.float64)
    return columns_of(graph.add("MatMul", x, axes), axes.shape[1])
