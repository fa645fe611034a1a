"""A fitted model as one ONNX file: inputs, the estimator, outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

import numpy as np
from onnx import ModelProto, TensorProto, helper

from .graph import MAX_WIDTH, Column, Graph
from .registry import NotEmitted, Prediction, describe, numeric_matrix, predict, transform

if TYPE_CHECKING:
    from ..kinds import Kind

NUMBERS = "numbers"
STRINGS = "strings"


def write_model(model: Any, fields: list[dict[str, Any]], kind: Kind) -> tuple[ModelProto, dict[str, Any]]:
    """The graph of a fitted model, and how the fields map onto it.

    Numbers (bools as 0 and 1, missing as NaN) enter as one double matrix [rows, numbers], text as one
    string matrix [rows, texts]. The outputs are those that the model's kind asks for; of a classifier `label`
    is the class itself, of a multi-classifier the position in each output's classes.
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
    if kind.task == "transformer":
        prediction = Prediction(value=numeric_matrix(graph, model, transform(graph, model, columns)))
    else:
        prediction = predict(graph, model, columns)
    outputs = OUTPUTS[kind.task](graph, model, prediction)
    inputs = [
        helper.make_tensor_value_info(NUMBERS, TensorProto.DOUBLE, [None, len(numbers)]),
        helper.make_tensor_value_info(STRINGS, TensorProto.STRING, [None, len(strings)]),
    ]
    built = graph.build(inputs, outputs)
    _require_narrow(graph, built)
    used = {value.name for value in built.graph.input}
    tensors = [
        {"name": name, "dtype": dtype, "fields": members}
        for name, dtype, members in ((NUMBERS, "float64", numbers), (STRINGS, "string", strings))
        if name in used
    ]
    names = {output.name: output.name for output in outputs}
    return built, {"tensors": tensors, "missing_string": graph.missing_string, **names}


def _require_narrow(graph: Graph, built: ModelProto) -> None:
    """NotEmitted where the graph makes a matrix of more columns than a row may have."""
    made = {name for node in built.graph.node for name in node.output}
    for tensor, entries in graph.entries.items():
        if tensor in made and entries.width > MAX_WIDTH:
            raise NotEmitted(
                f"{entries.origin} has an exact emitter where all that follows takes just the columns that a text "
                "meets: linear models, naive Bayes, TruncatedSVD, also after tf-idf and normalising; "
                f"what follows here needs every column, and of these no more than {MAX_WIDTH} can be written"
            )


def _classifier(graph: Graph, model: Any, prediction: Prediction) -> list[Any]:
    index = _given(prediction.index, model, "label")
    classes = np.asarray(model.classes_)
    if classes.dtype.kind in "OUS":
        kind, table = TensorProto.STRING, classes.astype(str)
    elif classes.dtype.kind == "b":
        kind, table = TensorProto.BOOL, classes
    elif classes.dtype.kind in "iu":
        kind, table = TensorProto.INT64, classes.astype(np.int64)
    else:
        kind, table = TensorProto.DOUBLE, classes.astype(np.float64)
    graph.add("Gather", table, index, axis=0, name="label")
    label = helper.make_tensor_value_info("label", kind, [None])
    return [label, *_probabilities(graph, model, prediction)]


def _multi_classifier(graph: Graph, model: Any, prediction: Prediction) -> list[Any]:
    indices = _given(prediction.indices, model, "labels of several outputs")
    label = _output(graph, "label", indices, TensorProto.INT64, [None, None])
    return [label, *_probabilities(graph, model, prediction)]


def _outlier(graph: Graph, model: Any, prediction: Prediction) -> list[Any]:
    label = _output(graph, "label", _given(prediction.index, model, "label"), TensorProto.INT64, [None])
    score = _output(graph, "score", _given(prediction.score, model, "score"), TensorProto.DOUBLE, [None])
    return [label, score]


def _clusterer(graph: Graph, model: Any, prediction: Prediction) -> list[Any]:
    return [_output(graph, "label", _given(prediction.index, model, "label"), TensorProto.INT64, [None])]


def _value(graph: Graph, model: Any, prediction: Prediction) -> list[Any]:
    return [_output(graph, "value", _given(prediction.value, model, "value"), TensorProto.DOUBLE, [None])]


def _values(graph: Graph, model: Any, prediction: Prediction) -> list[Any]:
    value = _given(prediction.value, model, "values of several outputs")
    return [_output(graph, "value", value, TensorProto.DOUBLE, [None, None])]


OUTPUTS: dict[str, Callable[[Graph, Any, Prediction], list[Any]]] = {
    "classifier": _classifier,
    "regressor": _value,
    "outlier": _outlier,
    "clusterer": _clusterer,
    "multi-classifier": _multi_classifier,
    "multi-regressor": _values,
    "transformer": _values,
}


def _probabilities(graph: Graph, model: Any, prediction: Prediction) -> list[Any]:
    """None where the model gives none, even if its graph could."""
    if prediction.probabilities is None or not hasattr(model, "predict_proba"):
        return []
    return [_output(graph, "probabilities", prediction.probabilities, TensorProto.DOUBLE, [None, None])]


def _output(graph: Graph, name: str, tensor: str, kind: int, shape: list[None]) -> Any:
    graph.add("Identity", tensor, name=name)
    return helper.make_tensor_value_info(name, kind, shape)


def _given(tensor: str | None, model: Any, what: str) -> str:
    if tensor is None:
        raise NotEmitted(f"{describe(model)} gives no {what}")
    return tensor
