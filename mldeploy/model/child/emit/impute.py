"""Imputers of missing values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from onnx import TensorProto

from .distances import summed
from .graph import Column, Graph, columns_of
from .registry import NotEmitted, describe, numeric_matrix, predict, require, transformer


@transformer("sklearn.impute:SimpleImputer")
def simple_imputer(graph: Graph, imputer: Any, columns: list[Column]) -> list[Column]:
    keeps_empty = getattr(imputer, "keep_empty_features", False)
    kept = [position for position, fill in enumerate(imputer.statistics_) if keeps_empty or not is_missing(fill)]
    fills = [imputer.statistics_[position] for position in kept]
    result = [columns[position] for position in kept]
    numeric = [place for place, column in enumerate(result) if column.kind == "number"]
    if numeric:
        tensor = graph.matrix([result[place] for place in numeric])
        values = np.array([fills[place] for place in numeric], dtype=np.float64)
        tensor = graph.add("Where", _missing_mask(graph, tensor, imputer.missing_values), values, tensor)
        for place, column in zip(numeric, columns_of(tensor, len(numeric))):
            result[place] = column
    for place, column in enumerate(result):
        if column.kind == "string":
            result[place] = _fill_text(column, imputer.missing_values, fills[place])
    if imputer.add_indicator:
        result.extend(missing_indicator(graph, imputer.indicator_, columns))
    return result


@transformer("sklearn.impute:KNNImputer")
def nearest_imputer(graph: Graph, imputer: Any, columns: list[Column]) -> list[Column]:
    """The mean of the nearest training rows that have the value, by the distance over what both rows have."""
    require(imputer.metric == "nan_euclidean", imputer, f"the metric {imputer.metric!r}")
    require(imputer.weights in ("uniform", "distance"), imputer, "weights of its own")
    x = numeric_matrix(graph, imputer, columns)
    missing = _missing_mask(graph, x, imputer.missing_values)
    apart = _distances_without(graph, imputer, x, missing)
    result: list[Column] = []
    for place, column in enumerate(columns):
        if not imputer._valid_mask[place]:
            zero = graph.add("Mul", graph.cast(missing, TensorProto.DOUBLE), 0.0)
            result += [Column(zero, place, len(columns))] if imputer.keep_empty_features else []
            continue
        donors = np.flatnonzero(~imputer._mask_fit_X[:, place])
        values = np.asarray(imputer._fit_X[donors, place], dtype=np.float64)
        filled = _mean_of_nearest(graph, imputer, graph.add("Gather", apart, donors, axis=1), values)
        is_missing = graph.add("Gather", missing, np.array([place]), axis=1)
        result += columns_of(graph.add("Where", is_missing, filled, graph.matrix([column])), 1)
    if imputer.add_indicator:
        result.extend(missing_indicator(graph, imputer.indicator_, columns))
    return result


@transformer("sklearn.impute._iterative:IterativeImputer")
def iterative_imputer(graph: Graph, imputer: Any, columns: list[Column]) -> list[Column]:
    """The fitted estimators in their order, each given what those before it have filled in."""
    require(not imputer.sample_posterior, imputer, "sample_posterior=True")
    require(not imputer.keep_empty_features or not imputer._is_empty_feature.any(), imputer, "empty features kept")
    kept = [column for column, empty in zip(columns, imputer._is_empty_feature) if not empty]
    missing = _missing_mask(graph, numeric_matrix(graph, imputer, kept), imputer.missing_values)
    current = simple_imputer(graph, imputer.initial_imputer_, columns)
    for step in imputer.imputation_sequence_ if imputer.n_iter_ else ():
        place, others = int(step.feat_idx), step.neighbor_feat_idx
        value = predict(graph, step.estimator, [current[int(other)] for other in others]).value
        if value is None:
            raise NotEmitted(f"{describe(step.estimator)} gives no value")
        low, high = (float(limits[place]) for limits in (imputer._min_value, imputer._max_value))
        filled = graph.add("Unsqueeze", graph.add("Clip", value, low, high), np.array([1]))
        is_missing = graph.add("Gather", missing, np.array([place]), axis=1)
        known = graph.matrix([current[place]])
        current[place] = Column(graph.add("Where", is_missing, filled, known), 0, 1)
    if imputer.add_indicator:
        current.extend(missing_indicator(graph, imputer.indicator_, columns))
    return current


@transformer("sklearn.impute:MissingIndicator")
def missing_indicator(graph: Graph, indicator: Any, columns: list[Column]) -> list[Column]:
    """1 where a value is missing, for the columns that the fit chose."""
    chosen = [columns[position] for position in indicator.features_]
    if not chosen:
        return []
    mask = _missing_mask(graph, numeric_matrix(graph, indicator, chosen), indicator.missing_values)
    return columns_of(graph.cast(mask, TensorProto.DOUBLE), len(chosen))


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and bool(np.isnan(value)))


def same_marker(one: Any, other: Any) -> bool:
    """Whether two values mark the same thing: None is only None, and NaN only NaN."""
    if is_missing(one) or is_missing(other):
        return is_missing(one) and is_missing(other) and (one is None) == (other is None)
    return bool(one == other)


def _fill_text(column: Column, missing: Any, fill: Any) -> Column:
    """The column with `missing` replaced: no operator, for the encoder that follows knows it in its table."""
    marker = column.missing if same_marker(missing, column.missing) else missing
    return replace(column, replaced=(*column.replaced, (marker, fill)))


def _missing_mask(graph: Graph, tensor: str, missing: Any) -> str:
    if is_missing(missing):
        return graph.add("IsNaN", tensor)
    return graph.add("Equal", tensor, float(missing))


def _distances_without(graph: Graph, imputer: Any, x: str, missing: str) -> str:
    """Squared distances over what both rows have, scaled up to all features, infinite where that is nothing."""
    present = graph.cast(graph.add("Not", missing), TensorProto.DOUBLE)
    x = graph.add("Where", missing, 0.0, x)
    theirs = (~imputer._mask_fit_X).astype(np.float64)
    points = np.where(imputer._mask_fit_X, 0.0, imputer._fit_X)

    def term(graph: Graph, value: str, others: np.ndarray, place: int) -> str:
        apart = graph.add("Sub", value, others)
        both = graph.add("Mul", graph.add("Gather", present, np.array([place]), axis=1), theirs[:, place])
        return graph.add("Mul", graph.add("Mul", apart, apart), both)

    count = graph.add("MatMul", present, theirs.T)
    none = graph.add("Equal", count, 0.0)
    scale = graph.add("Div", float(points.shape[1]), graph.add("Where", none, 1.0, count))
    return graph.add("Where", none, np.inf, graph.add("Mul", summed(graph, x, points, term), scale))


def _mean_of_nearest(graph: Graph, imputer: Any, apart: str, values: np.ndarray) -> str:
    """Of rows nearer than infinitely far, or where there are none the mean of all: double [rows, 1]."""
    axis = np.array([1])
    count = min(imputer.n_neighbors, len(values))
    squared, near = graph.add_many("TopK", apart, np.array([count]), count=2, axis=1, largest=0)
    beyond = graph.add("IsInf", squared)
    if imputer.weights == "distance":
        here = graph.cast(graph.add("Equal", squared, 0.0), TensorProto.DOUBLE)
        any_here = graph.add("Greater", graph.add("ReduceMax", here, axis, keepdims=1), 0.0)
        weights = graph.add("Where", any_here, here, graph.add("Div", 1.0, graph.add("Sqrt", squared)))
        weights = graph.add("Where", beyond, 0.0, weights)
    else:
        weights = graph.add("Where", beyond, 0.0, 1.0)
    total = graph.add("ReduceSum", weights, axis, keepdims=1)
    weighted = graph.add("Mul", graph.add("Gather", values, near, axis=0), weights)
    mean = graph.add("Div", graph.add("ReduceSum", weighted, axis, keepdims=1), total)
    return graph.add("Where", graph.add("Equal", total, 0.0), float(values.mean()), mean)
