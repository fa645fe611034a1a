"""Dummies, which answer the same to every row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper

from .registry import Prediction, composite, require

if TYPE_CHECKING:
    from .graph import Column, Graph


@composite("sklearn.dummy:DummyRegressor")
def dummy_regressor(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    require(np.size(model.constant_) == 1, model, "several outputs")
    return Prediction(value=_for_each_row(graph, columns, np.float64(np.ravel(model.constant_)[0])))


@composite("sklearn.dummy:DummyClassifier")
def dummy_classifier(graph: Graph, model: Any, columns: list[Column]) -> Prediction:
    require(model.strategy in ("prior", "most_frequent", "constant"), model, f"strategy={model.strategy!r}")
    row = np.zeros((1, 1))
    shares = np.asarray(model.predict_proba(row), dtype=np.float64)
    label = int(np.flatnonzero(model.classes_ == model.predict(row)[0])[0])
    index = _for_each_row(graph, columns, np.int64(label))
    return Prediction(index, graph.add("Gather", shares, _for_each_row(graph, columns, np.int64(0)), axis=0))


def _for_each_row(graph: Graph, columns: list[Column], value: Any) -> str:
    """A constant as [rows], as many rows as the first column has."""
    rows = graph.add("Shape", columns[0].tensor, start=0, end=1)
    kind = TensorProto.DOUBLE if value.dtype.kind == "f" else TensorProto.INT64
    return graph.add("ConstantOfShape", rows, value=helper.make_tensor("value", kind, [1], [value.item()]))
