"""Distances of each row to fixed points, by the metrics of nearest neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import numpy as np
from onnx import TensorProto

from . import scores
from .registry import require

if TYPE_CHECKING:
    from .graph import Graph

AXIS = np.array([1])


Metric = Callable[["Graph", str, np.ndarray, "dict[str, Any]"], str]
Term = Callable[["Graph", str, np.ndarray, int], str]


def _square(graph: Graph, value: str, others: np.ndarray, place: int) -> str:  # noqa: ARG001
    apart = graph.add("Sub", value, others)
    return graph.add("Mul", apart, apart)


def _size(graph: Graph, value: str, others: np.ndarray, place: int) -> str:  # noqa: ARG001
    return graph.add("Abs", graph.add("Sub", value, others))


def distances(graph: Graph, x: str, points: np.ndarray, model: Any) -> str:
    """By the metric of a fitted model of nearest neighbours: double [rows, points]."""
    metric, settings = model.effective_metric_, model.effective_metric_params_ or {}
    require(isinstance(metric, str) and metric in METRICS, model, f"the metric {metric!r}")
    return METRICS[metric](graph, x, np.asarray(points, dtype=np.float64), settings)


def squared_distances(graph: Graph, x: str, points: np.ndarray) -> str:
    """Squared Euclidean distances from the expanded square, never below zero: double [rows, points]."""
    own = graph.add("ReduceSumSquare", x, AXIS, keepdims=1)
    cross = graph.add("MatMul", x, -2.0 * points.T)
    total = graph.add("Add", graph.add("Add", cross, own), (points**2).sum(axis=1))
    return graph.add("Max", total, 0.0)


def nearest(graph: Graph, x: str, points: np.ndarray) -> str:
    """The number of the nearest point by Euclidean distance, the first of equals: int64 [rows]."""
    # A row's own square changes nothing, and scikit-learn leaves it out too.
    cross = graph.add("Add", graph.add("MatMul", x, -2.0 * points.T), (points**2).sum(axis=1))
    return graph.add("ArgMin", cross, axis=1, keepdims=0)


def _euclidean(graph: Graph, x: str, points: np.ndarray, settings: dict[str, Any]) -> str:  # noqa: ARG001
    return graph.add("Sqrt", summed(graph, x, points))


def _weighted_euclidean(graph: Graph, x: str, points: np.ndarray, settings: dict[str, Any]) -> str:
    scale = np.sqrt(np.asarray(settings["V"], dtype=np.float64))
    return _euclidean(graph, graph.add("Div", x, scale), points / scale, {})


def _mahalanobis(graph: Graph, x: str, points: np.ndarray, settings: dict[str, Any]) -> str:
    inverse = settings["VI"] if "VI" in settings else np.linalg.inv(settings["V"])
    root = np.linalg.cholesky(np.asarray(inverse, dtype=np.float64))
    return _euclidean(graph, graph.add("MatMul", x, root), points @ root, {})


def _manhattan(graph: Graph, x: str, points: np.ndarray, settings: dict[str, Any]) -> str:  # noqa: ARG001
    return summed(graph, x, points, _size)


def _chebyshev(graph: Graph, x: str, points: np.ndarray, settings: dict[str, Any]) -> str:  # noqa: ARG001
    return summed(graph, x, points, _size, combine="Max")


def _minkowski(graph: Graph, x: str, points: np.ndarray, settings: dict[str, Any]) -> str:
    power = float(settings.get("p", 2))
    weights = np.broadcast_to(1.0 if settings.get("w") is None else settings["w"], points.shape[1])

    def term(graph: Graph, value: str, others: np.ndarray, place: int) -> str:
        raised = graph.add("Pow", _size(graph, value, others, place), power)
        return graph.add("Mul", raised, float(weights[place]))

    return graph.add("Pow", summed(graph, x, points, term), 1.0 / power)


def _canberra(graph: Graph, x: str, points: np.ndarray, settings: dict[str, Any]) -> str:  # noqa: ARG001
    def term(graph: Graph, value: str, others: np.ndarray, place: int) -> str:
        apart = _size(graph, value, others, place)
        total = graph.add("Add", graph.add("Abs", value), np.abs(others))
        return graph.add("Div", apart, graph.add("Where", graph.add("Equal", total, 0.0), 1.0, total))

    return summed(graph, x, points, term)


def _bray_curtis(graph: Graph, x: str, points: np.ndarray, settings: dict[str, Any]) -> str:  # noqa: ARG001
    def together(graph: Graph, value: str, others: np.ndarray, place: int) -> str:  # noqa: ARG001
        return graph.add("Add", graph.add("Abs", value), np.abs(others))

    apart, total = summed(graph, x, points, _size), summed(graph, x, points, together)
    return graph.add("Div", apart, graph.add("Where", graph.add("Equal", total, 0.0), 1.0, total))


def _hamming(graph: Graph, x: str, points: np.ndarray, settings: dict[str, Any]) -> str:  # noqa: ARG001
    def term(graph: Graph, value: str, others: np.ndarray, place: int) -> str:  # noqa: ARG001
        return graph.cast(graph.add("Not", graph.add("Equal", value, others)), TensorProto.DOUBLE)

    return graph.add("Div", summed(graph, x, points, term), float(points.shape[1]))


def _cosine(graph: Graph, x: str, points: np.ndarray, settings: dict[str, Any]) -> str:  # noqa: ARG001
    size = graph.add("Sqrt", graph.add("ReduceSumSquare", x, AXIS, keepdims=1))
    x = graph.add("Div", x, graph.add("Where", graph.add("Equal", size, 0.0), 1.0, size))
    sizes = np.linalg.norm(points, axis=1, keepdims=True)
    likeness = graph.add("MatMul", x, (points / np.where(sizes == 0, 1.0, sizes)).T)
    return graph.add("Clip", graph.add("Sub", 1.0, likeness), 0.0, 2.0)


METRICS: dict[str, Metric] = {
    "braycurtis": _bray_curtis,
    "canberra": _canberra,
    "chebyshev": _chebyshev,
    "infinity": _chebyshev,
    "cityblock": _manhattan,
    "l1": _manhattan,
    "manhattan": _manhattan,
    "cosine": _cosine,
    "euclidean": _euclidean,
    "l2": _euclidean,
    "hamming": _hamming,
    "mahalanobis": _mahalanobis,
    "minkowski": _minkowski,
    "p": _minkowski,
    "seuclidean": _weighted_euclidean,
}


def summed(graph: Graph, x: str, points: np.ndarray, term: Term = _square, combine: str = "Add") -> str:
    """The terms of all features, by default squares, one after the other as scikit-learn's search trees take them.

    The expanded square would be faster, but loses digits, and with them the order of near neighbours.
    """
    total = ""
    for place in range(points.shape[1]):
        found = term(graph, scores.column(graph, x, place), points[:, place], place)
        total = graph.add(combine, total, found) if total else found
    return total
