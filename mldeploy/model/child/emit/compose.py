"""Pipelines, column transformers and feature unions: they hand columns on and cost no operator themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from .graph import Column, Graph, columns_of
from .registry import Prediction, composite, predict, require, transform, transformer


@transformer("sklearn.pipeline:Pipeline", "imblearn.pipeline:Pipeline")
def pipeline_transform(graph: Graph, pipeline: Any, columns: list[Column]) -> list[Column]:
    for _, step in pipeline.steps:
        columns = apply(graph, step, columns)
    return columns


@composite("sklearn.pipeline:Pipeline", "imblearn.pipeline:Pipeline")
def pipeline_predict(graph: Graph, pipeline: Any, columns: list[Column]) -> Prediction:
    for _, step in pipeline.steps[:-1]:
        columns = apply(graph, step, columns)
    return predict(graph, pipeline.steps[-1][1], columns)


@transformer("sklearn.compose:ColumnTransformer")
def column_transformer(graph: Graph, estimator: Any, columns: list[Column]) -> list[Column]:
    chosen = estimator._transformer_to_input_indices
    weights = estimator.transformer_weights or {}
    result: list[Column] = []
    for name, step, selection in estimator.transformers_:
        if isinstance(selection, (list, tuple, np.ndarray)) and len(selection) == 0:
            continue
        if isinstance(step, str) and step == "drop":
            continue
        require(not callable(selection), estimator, "an unresolved column selection")
        part = apply(graph, step, [columns[position] for position in chosen[name]])
        result.extend(weigh(graph, part, weights.get(name)))
    return result


@transformer("sklearn.pipeline:FeatureUnion")
def feature_union(graph: Graph, union: Any, columns: list[Column]) -> list[Column]:
    weights = union.transformer_weights or {}
    result: list[Column] = []
    for name, step in union.transformer_list:
        if isinstance(step, str) and step == "drop":
            continue
        result.extend(weigh(graph, apply(graph, step, columns), weights.get(name)))
    return result


def apply(graph: Graph, step: Any, columns: list[Column]) -> list[Column]:
    """Write one step's transform; `passthrough`, None and what resamples only in training hand the columns on."""
    if step is None or (isinstance(step, str) and step == "passthrough") or hasattr(step, "fit_resample"):
        return columns
    return transform(graph, step, columns)


def weigh(graph: Graph, columns: list[Column], weight: Any) -> list[Column]:
    if weight is None:
        return columns
    return columns_of(graph.add("Mul", graph.matrix(columns), float(weight)), len(columns))
