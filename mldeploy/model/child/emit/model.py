"""A fitted model as one ONNX file: inputs, the estimator, outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper

from .graph import Column, Graph
from .registry import NotEmitted, Prediction, describe, predict

NUMBERS = "numbers"
STRINGS = "strings"


def write_model(model: Any, fields: list[dict[str, Any]], task: str) -> tuple[ModelProto, dict[str, Any]]:
    """The graph of a fitted model, and how the fields map onto it.

    Numbers (bools as 0 and 1, missing as NaN) enter as one double matrix [rows, numbers], text as one
    string matrix [rows, texts]. A classifier gives `label` [rows] and, where the model has them,
    `probabilities` double [rows, classes]; a regressor `value` double [rows].
    """
    graph = Graph()
    numbers = [field["name"] for field in fields if field["dtype"] != "string"]
    strings = [field["name"] for field in fields if field["dtype"] == "string"]
    columns = [
        Column(
            STRINGS,
            strings.index(field["name"]),
            len(strings),
            "string",
            missing=None if field["missing_is_none"] else np.nan,
        )
        if field["dtype"] == "string"
        else Column(NUMBERS, numbers.index(field["name"]), len(numbers))
        for field in fields
    ]
    prediction = predict(graph, model, columns)
    outputs, names = _classifier(graph, model, prediction) if task == "classifier" else _regressor(graph, prediction)
    inputs = [
        helper.make_tensor_value_info(NUMBERS, TensorProto.DOUBLE, [None, len(numbers)]),
        helper.make_tensor_value_info(STRINGS, TensorProto.STRING, [None, len(strings)]),
    ]
    built = graph.build(inputs, outputs)
    used = {value.name for value in built.graph.input}
    tensors = [
        {"name": name, "dtype": dtype, "fields": members}
        for name, dtype, members in ((NUMBERS, "float64", numbers), (STRINGS, "string", strings))
        if name in used
    ]
    return built, {"tensors": tensors, "missing_string": graph.missing_string, **names}


def _classifier(graph: Graph, model: Any, prediction: Prediction) -> tuple[list[Any], dict[str, str]]:
    if prediction.index is None:
        raise NotEmitted(f"{describe(model)} gives no label")
    classes = np.asarray(model.classes_)
    if classes.dtype.kind in "OUS":
        kind, table = TensorProto.STRING, classes.astype(str)
    elif classes.dtype.kind == "b":
        kind, table = TensorProto.BOOL, classes
    elif classes.dtype.kind in "iu":
        kind, table = TensorProto.INT64, classes.astype(np.int64)
    else:
        kind, table = TensorProto.DOUBLE, classes.astype(np.float64)
    graph.add("Gather", table, prediction.index, axis=0, name="label")
    outputs = [helper.make_tensor_value_info("label", kind, [None])]
    names = {"label": "label"}
    if prediction.probabilities is not None and hasattr(model, "predict_proba"):
        graph.add("Identity", prediction.probabilities, name="probabilities")
        shape = [None, len(classes)]
        outputs.append(helper.make_tensor_value_info("probabilities", TensorProto.DOUBLE, shape))
        names["probabilities"] = "probabilities"
    return outputs, names


def _regressor(graph: Graph, prediction: Prediction) -> tuple[list[Any], dict[str, str]]:
    if prediction.value is None:
        raise NotEmitted("the model gives no value")
    graph.add("Identity", prediction.value, name="value")
    return [helper.make_tensor_value_info("value", TensorProto.DOUBLE, [None])], {"value": "value"}
