"""Gaussian processes: their kernels, regression, and classification by Laplace's approximation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from . import scores
from .distances import METRICS, summed
from .piecewise import error_function
from .registry import NotEmitted, Prediction, composite, is_exactly, predict, predictor

if TYPE_CHECKING:
    from .graph import Column, Graph, Operand

AXIS = np.array([1])


@predictor("sklearn.gaussian_process:GaussianProcessRegressor")
def regressor(graph: Graph, model: Any, x: str) -> Prediction:
    weights = np.asarray(model.alpha_).reshape(len(model.X_train_), -1)
    mean = graph.add("MatMul", _kernel(graph, model.kernel_, x, model.X_train_), weights)
    value = graph.add("Add", graph.add("Mul", mean, model._y_train_std), model._y_train_mean)
    return Prediction(value=value if np.ndim(model.alpha_) > 1 else scores.flat(graph, value))


@composite("sklearn.gaussian_process:GaussianProcessClassifier")
def classifier(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    return predict(graph, model.base_estimator_, columns)


@predictor("sklearn.gaussian_process._gpc:_BinaryGaussianProcessClassifierLaplace")
def binary(graph: Graph, model: Any, x: str) -> Prediction:
    """Rasmussen and Williams (2006), algorithm 3.2, with Williams and Barber's five error functions for the sigmoid."""
    from sklearn.gaussian_process._gpc import COEFS, LAMBDAS

    kernel = _kernel(graph, model.kernel_, x, model.X_train_)
    latent = graph.add("MatMul", kernel, (model.y_train_ - model.pi_).reshape(-1, 1))
    solved = np.linalg.solve(model.L_, np.diag(model.W_sr_))
    known = graph.add("ReduceSumSquare", graph.add("MatMul", kernel, solved.T), AXIS, keepdims=1)
    variance = graph.add("Sub", _diagonal(graph, model.kernel_, x), known)
    alpha = graph.add("Div", 0.5, variance)
    lambdas, shares = LAMBDAS.reshape(1, -1), COEFS.reshape(1, -1)
    root = graph.add("Sqrt", graph.add("Div", alpha, graph.add("Add", alpha, lambdas**2)))
    error = error_function(graph, graph.add("Mul", graph.add("Mul", latent, lambdas), root))
    scale = graph.add("Sqrt", graph.add("Div", np.pi, alpha))
    width = graph.add("Mul", graph.add("Sqrt", graph.add("Mul", variance, 2 * np.pi)), 2.0)
    integrals = graph.add("Div", graph.add("Mul", scale, error), width)
    weighted = graph.add("ReduceSum", graph.add("Mul", integrals, shares), AXIS, keepdims=1)
    positive = graph.add("Add", weighted, 0.5 * float(COEFS.sum()))
    return Prediction(scores.sign_index(graph, latent), scores.binary_probabilities(graph, positive))


def _kernel(graph: Graph, kernel: Any, x: str, points: Any) -> Operand:
    """The covariance of each row with each training row: double [rows, points], or a number for all."""
    points = np.asarray(points, dtype=np.float64)
    for name, combine in COMBINED.items():
        if _is(kernel, name):
            return graph.add(combine, *(_kernel(graph, each, x, points) for each in (kernel.k1, kernel.k2)))
    if _is(kernel, "Exponentiation"):
        return graph.add("Pow", _kernel(graph, kernel.kernel, x, points), float(kernel.exponent))
    if _is(kernel, "ConstantKernel"):
        return np.full((1, len(points)), float(kernel.constant_value))
    if _is(kernel, "WhiteKernel"):
        # Noise is a training row's own: none is shared with a new row.
        return np.zeros((1, len(points)))
    if _is(kernel, "DotProduct"):
        return graph.add("Add", graph.add("MatMul", x, points.T), float(kernel.sigma_0) ** 2)
    for name, write in STATIONARY.items():
        if _is(kernel, name):
            return write(graph, kernel, x, points)
    raise NotEmitted(f"a Gaussian process with the kernel {type(kernel).__name__} has no exact emitter")


def _diagonal(graph: Graph, kernel: Any, x: str) -> Operand:
    """The variance of each row: double [rows, 1], or a number for all."""
    for name, combine in COMBINED.items():
        if _is(kernel, name):
            return graph.add(combine, *(_diagonal(graph, each, x) for each in (kernel.k1, kernel.k2)))
    if _is(kernel, "Exponentiation"):
        return graph.add("Pow", _diagonal(graph, kernel.kernel, x), float(kernel.exponent))
    if _is(kernel, "DotProduct"):
        return graph.add("Add", graph.add("ReduceSumSquare", x, AXIS, keepdims=1), float(kernel.sigma_0) ** 2)
    # All others are the same at every place.
    return np.asarray(kernel.diag(np.zeros((1, 1))), dtype=np.float64).reshape(1, 1)


def _rbf(graph: Graph, kernel: Any, x: str, points: np.ndarray) -> str:
    return graph.add("Exp", graph.add("Mul", _squared(graph, kernel, x, points), -0.5))


def _matern(graph: Graph, kernel: Any, x: str, points: np.ndarray) -> str:
    if kernel.nu == np.inf:
        return _rbf(graph, kernel, x, points)
    if kernel.nu not in (0.5, 1.5, 2.5):
        raise NotEmitted(f"a Matern kernel with nu={kernel.nu} has no exact emitter")
    apart = graph.add("Mul", graph.add("Sqrt", _squared(graph, kernel, x, points)), float(np.sqrt(2 * kernel.nu)))
    decay = graph.add("Exp", graph.add("Neg", apart))
    if kernel.nu == 0.5:
        return decay
    growth = graph.add("Add", apart, 1.0)
    if kernel.nu == 2.5:
        growth = graph.add("Add", growth, graph.add("Div", graph.add("Mul", apart, apart), 3.0))
    return graph.add("Mul", growth, decay)


def _rational_quadratic(graph: Graph, kernel: Any, x: str, points: np.ndarray) -> str:
    scaled = graph.add("Div", summed(graph, x, points), float(2 * kernel.alpha * kernel.length_scale**2))
    return graph.add("Pow", graph.add("Add", scaled, 1.0), -float(kernel.alpha))


def _periodic(graph: Graph, kernel: Any, x: str, points: np.ndarray) -> str:
    apart = METRICS["euclidean"](graph, x, points, {})
    wave = graph.add("Sin", graph.add("Mul", apart, float(np.pi / kernel.periodicity)))
    scaled = graph.add("Div", wave, float(kernel.length_scale))
    return graph.add("Exp", graph.add("Mul", graph.add("Mul", scaled, scaled), -2.0))


COMBINED = {"Sum": "Add", "Product": "Mul"}
STATIONARY: dict[str, Callable[[Graph, Any, str, np.ndarray], str]] = {
    "ExpSineSquared": _periodic,
    "Matern": _matern,
    "RBF": _rbf,
    "RationalQuadratic": _rational_quadratic,
}


def _squared(graph: Graph, kernel: Any, x: str, points: np.ndarray) -> str:
    """Squared distances in units of the length scale, feature by feature: weights may be as large as they are many."""
    length = np.broadcast_to(np.asarray(kernel.length_scale, dtype=np.float64), points.shape[1])
    return summed(graph, graph.add("Div", x, length), points / length)


def _is(kernel: Any, name: str) -> bool:
    return is_exactly(kernel, f"sklearn.gaussian_process.kernels:{name}")
