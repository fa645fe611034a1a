"""numpy functions as steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import numpy as np
from onnx import TensorProto

from .graph import columns_of
from .registry import numeric_matrix, require, transformer

if TYPE_CHECKING:
    from .graph import Column, Graph

Function = Callable[["Graph", str], str]


def _operator(name: str) -> Function:
    return lambda graph, x: graph.add(name, x)


def _log1p(graph: Graph, x: str) -> str:
    return graph.add("Log", graph.add("Add", x, 1.0))


def _expm1(graph: Graph, x: str) -> str:
    return graph.add("Sub", graph.add("Exp", x), 1.0)


def _logarithm(base: float) -> Function:
    return lambda graph, x: graph.add("Div", graph.add("Log", x), float(np.log(base)))


def _square(graph: Graph, x: str) -> str:
    return graph.add("Mul", x, x)


def _cube_root(graph: Graph, x: str) -> str:
    return graph.add("Mul", graph.add("Sign", x), graph.add("Pow", graph.add("Abs", x), 1 / 3))


def _half_of_exponentials(combine: str) -> Function:
    """sinh with Sub, cosh with Add."""

    def write(graph: Graph, x: str) -> str:
        return graph.add("Mul", graph.add(combine, graph.add("Exp", x), graph.add("Exp", graph.add("Neg", x))), 0.5)

    return write


def _area_sine(graph: Graph, x: str) -> str:
    """asinh, of the size first, for the sum of a large negative number and its root would be lost."""
    size = graph.add("Abs", x)
    root = graph.add("Sqrt", graph.add("Add", graph.add("Mul", size, size), 1.0))
    return graph.add("Mul", graph.add("Sign", x), graph.add("Log", graph.add("Add", size, root)))


def _tangent(graph: Graph, x: str) -> str:
    return graph.add("Div", graph.add("Sin", x), graph.add("Cos", x))


def _is_missing(graph: Graph, x: str) -> str:
    return graph.cast(graph.add("IsNaN", x), TensorProto.DOUBLE)


def _without_missing(graph: Graph, x: str) -> str:
    """nan_to_num: zeros for what is missing, and the largest doubles for the infinities."""
    largest = float(np.finfo(np.float64).max)
    return graph.add("Clip", graph.add("Where", graph.add("IsNaN", x), 0.0, x), -largest, largest)


def _itself(graph: Graph, x: str) -> str:  # noqa: ARG001
    return x


FUNCTIONS: dict[Any, Function] = {
    np.abs: _operator("Abs"),
    np.arcsinh: _area_sine,
    np.asarray: _itself,
    np.cbrt: _cube_root,
    np.ceil: _operator("Ceil"),
    np.cos: _operator("Cos"),
    np.cosh: _half_of_exponentials("Add"),
    np.exp: _operator("Exp"),
    np.expm1: _expm1,
    np.fabs: _operator("Abs"),
    np.floor: _operator("Floor"),
    np.isnan: _is_missing,
    np.log: _operator("Log"),
    np.log10: _logarithm(10.0),
    np.log1p: _log1p,
    np.log2: _logarithm(2.0),
    np.nan_to_num: _without_missing,
    np.negative: _operator("Neg"),
    np.positive: _itself,
    np.reciprocal: _operator("Reciprocal"),
    np.rint: _operator("Round"),
    np.sign: _operator("Sign"),
    np.sin: _operator("Sin"),
    np.sinh: _half_of_exponentials("Sub"),
    np.sqrt: _operator("Sqrt"),
    np.square: _square,
    np.tan: _tangent,
    np.tanh: _operator("Tanh"),
}


@transformer("sklearn.preprocessing:FunctionTransformer")
def function_transformer(graph: Graph, estimator: Any, columns: list[Column]) -> list[Column]:
    if estimator.func is None:
        return columns
    # A function that is not numpy's own is not even looked up: it need not have a hash.
    known = _is_numpys(estimator.func) and estimator.func in FUNCTIONS and not estimator.kw_args
    require(known, estimator, f"the function {getattr(estimator.func, '__name__', estimator.func)!r}")
    return columns_of(FUNCTIONS[estimator.func](graph, numeric_matrix(graph, estimator, columns)), len(columns))


def _is_numpys(function: Any) -> bool:
    return isinstance(function, np.ufunc) or str(getattr(function, "__module__", "")).partition(".")[0] == "numpy"
