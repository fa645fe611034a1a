"""Kernels of pairs of rows, their ridge regression and components, and random features that stand for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import scores
from .distances import METRICS, summed
from .graph import columns_of
from .registry import NotEmitted, Prediction, numeric_matrix, predictor, require, transformer

if TYPE_CHECKING:
    from .graph import Column, Graph


@predictor("sklearn.kernel_ridge:KernelRidge")
def kernel_ridge(graph: Graph, model: Any, x: str) -> Prediction:
    settings = {"gamma": model.gamma, "degree": model.degree, "coef0": model.coef0}
    pairs = _pairwise(graph, model, x, model.X_fit_, settings)
    value = graph.add("MatMul", pairs, np.asarray(model.dual_coef_).reshape(len(model.X_fit_), -1))
    return Prediction(value=value if np.ndim(model.dual_coef_) > 1 else scores.flat(graph, value))


@transformer("sklearn.decomposition:KernelPCA")
def kernel_pca(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    settings = {"gamma": getattr(model, "gamma_", model.gamma), "degree": model.degree, "coef0": model.coef0}
    pairs = _pairwise(graph, model, numeric_matrix(graph, model, columns), model.X_fit_, settings)
    mean = graph.add("ReduceMean", pairs, np.array([1]), keepdims=1)
    shift = model._centerer.K_fit_rows_ - model._centerer.K_fit_all_
    centred = graph.add("Sub", graph.add("Sub", pairs, shift), mean)
    positive = model.eigenvalues_ > 0
    axes = np.zeros_like(model.eigenvectors_)
    axes[:, positive] = model.eigenvectors_[:, positive] / np.sqrt(model.eigenvalues_[positive])
    return columns_of(graph.add("MatMul", centred, axes), axes.shape[1])


@transformer("sklearn.kernel_approximation:Nystroem")
def nystroem(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    require(isinstance(model.kernel, str), model, "a kernel of its own")
    pairs = _pairwise(
        graph, model, numeric_matrix(graph, model, columns), model.components_, model._get_kernel_params()
    )
    return columns_of(graph.add("MatMul", pairs, model.normalization_.T), len(model.normalization_))


@transformer("sklearn.kernel_approximation:RBFSampler")
def rbf_sampler(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    return _waves(graph, model, numeric_matrix(graph, model, columns))


@transformer("sklearn.kernel_approximation:SkewedChi2Sampler")
def skewed_chi2(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    x = graph.add("Add", numeric_matrix(graph, model, columns), float(model.skewedness))
    return _waves(graph, model, graph.add("Log", x))


@transformer("sklearn.kernel_approximation:AdditiveChi2Sampler")
def additive_chi2(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    """Vedaldi and Zisserman (2010); a zero stays one."""
    x = numeric_matrix(graph, model, columns)
    interval = model.sample_interval or {1: 0.8, 2: 0.5, 3: 0.4}[model.sample_steps]
    absent = graph.add("Equal", x, 0.0)
    logs = graph.add("Log", graph.add("Where", absent, 1.0, x))
    parts = [graph.add("Sqrt", graph.add("Mul", x, float(interval)))]
    for step in range(1, model.sample_steps):
        size = graph.add("Sqrt", graph.add("Mul", x, float(2 * interval / np.cosh(np.pi * step * interval))))
        angle = graph.add("Mul", logs, float(step * interval))
        parts += [graph.add("Mul", size, graph.add(wave, angle)) for wave in ("Cos", "Sin")]
    return [column for part in parts for column in columns_of(part, len(columns))]


@transformer("sklearn.kernel_approximation:PolynomialCountSketch")
def count_sketch(graph: Graph, model: Any, columns: list[Column]) -> list[Column]:
    """Pham and Pagh (2013): the sketches of all degrees, multiplied in the frequency domain."""
    x = graph.add("Mul", numeric_matrix(graph, model, columns), np.sqrt(np.full(len(columns), float(model.gamma))))
    size, constant = model.n_components, float(np.sqrt(model.coef0))
    angles = 2 * np.pi * np.outer(np.arange(size), np.arange(size)) / size
    real = imaginary = ""
    for places, signs in zip(model.indexHash_, model.bitHash_):
        sketch = np.zeros((len(places), size))
        sketch[np.arange(len(places)), places] = signs
        count = graph.add("MatMul", x, sketch[: len(columns)])
        if model.coef0 != 0:
            count = graph.add("Add", count, constant * sketch[len(columns)])
        own_real, own_imaginary = (graph.add("MatMul", count, each) for each in (np.cos(angles), -np.sin(angles)))
        if real:
            products = [graph.add("Mul", one, other) for one, other in ((real, own_real), (imaginary, own_imaginary))]
            crosses = [graph.add("Mul", one, other) for one, other in ((real, own_imaginary), (imaginary, own_real))]
            own_real, own_imaginary = graph.add("Sub", *products), graph.add("Add", *crosses)
        real, imaginary = own_real, own_imaginary
    back = [graph.add("MatMul", real, np.cos(angles) / size), graph.add("MatMul", imaginary, np.sin(angles) / size)]
    return columns_of(graph.add("Sub", *back), size)


def _waves(graph: Graph, model: Any, x: str) -> list[Column]:
    """Random Fourier features (Rahimi and Recht 2007)."""
    angle = graph.add("Add", graph.add("MatMul", x, model.random_weights_), model.random_offset_)
    waves = graph.add("Mul", graph.add("Cos", angle), float(np.sqrt(2.0 / model.n_components)))
    return columns_of(waves, model.n_components)


def _pairwise(graph: Graph, model: Any, x: str, points: Any, settings: dict[str, Any]) -> str:
    """The kernel of each row with each point, as sklearn.metrics.pairwise has it: double [rows, points]."""
    points = np.asarray(points, dtype=np.float64)
    kernel = model.kernel
    given = {name: value for name, value in settings.items() if value is not None}
    gamma = float(given.get("gamma", 1.0 if kernel == "chi2" else 1.0 / points.shape[1]))
    if kernel == "rbf":
        return _decay(graph, summed(graph, x, points), gamma)
    if kernel == "laplacian":
        return _decay(graph, METRICS["manhattan"](graph, x, points, {}), gamma)
    if kernel == "cosine":
        return graph.add("Sub", 1.0, METRICS["cosine"](graph, x, points, {}))
    product = graph.add("MatMul", x, points.T)
    if kernel == "linear":
        return product
    shifted = graph.add("Add", graph.add("Mul", product, gamma), float(given.get("coef0", 1.0)))
    if kernel in ("poly", "polynomial"):
        return graph.add("Pow", shifted, float(given.get("degree", 3)))
    if kernel == "sigmoid":
        return graph.add("Tanh", shifted)
    raise NotEmitted(f"{type(model).__name__} with the kernel {kernel!r} has no exact emitter")


def _decay(graph: Graph, apart: str, gamma: float) -> str:
    return graph.add("Exp", graph.add("Mul", apart, -gamma))
