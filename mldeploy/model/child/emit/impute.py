"""Imputers of missing values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from onnx import TensorProto

from .graph import Column, Graph, columns_of
from .registry import numeric_matrix, transformer


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
