"""Feature selection: only which columns go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .registry import transformer

if TYPE_CHECKING:
    from .graph import Column, Graph


@transformer(
    "sklearn.feature_selection:GenericUnivariateSelect",
    "sklearn.feature_selection:RFE",
    "sklearn.feature_selection:RFECV",
    "sklearn.feature_selection:SelectFdr",
    "sklearn.feature_selection:SelectFpr",
    "sklearn.feature_selection:SelectFromModel",
    "sklearn.feature_selection:SelectFwe",
    "sklearn.feature_selection:SelectKBest",
    "sklearn.feature_selection:SelectPercentile",
    "sklearn.feature_selection:SequentialFeatureSelector",
    "sklearn.feature_selection:VarianceThreshold",
)
def selected(graph: Graph, selector: Any, columns: list[Column]) -> list[Column]:  # noqa: ARG001
    return [column for column, kept in zip(columns, selector.get_support()) if kept]
