"""Small bundles whose answers can be computed by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mldeploy.bundle import (
    Contents,
    Golden,
    Graph,
    Input,
    Outputs,
    Precision,
    Proof,
    Source,
    Tensor,
    write_bundle,
)

if TYPE_CHECKING:
    from pathlib import Path

OPSETS = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]

WEIGHTS = (0.5, -1.25, 2.0)
BIAS = 0.1
PLAN_WEIGHTS = {"free": -1.0, "pro": 1.5, "": 0.25}
AGE_WHEN_MISSING = 40.0

Row = dict[str, Any]


def sigmoid(score: float) -> float:
    return 1.0 / (1.0 + math.exp(-score))


def numeric_probability(row: Row) -> float:
    """What the numeric model says for class 1."""
    return sigmoid(WEIGHTS[0] * row["height"] + WEIGHTS[1] * row["weight"] + WEIGHTS[2] * row["visits"] + BIAS)


def mixed_probability(row: Row) -> float:
    """What the mixed model says for "yes"."""
    age = AGE_WHEN_MISSING if row["age"] is None else row["age"]
    return sigmoid(0.1 * (age - 40.0) + PLAN_WEIGHTS.get(row["plan"] or "", 0.0) + (0.5 if row["member"] else 0.0))


def numeric_bundle(into: Path, **changes: Any) -> Path:
    """A classifier with classes 0 and 1 over one packed float64 tensor."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["product"]), *_two_classes("product")],
        "numeric",
        [_tensor("x", TensorProto.DOUBLE, 3)],
        [_tensor("label", TensorProto.INT64), _tensor("probabilities", TensorProto.DOUBLE, 2)],
        [_constant("weights", np.array([[weight] for weight in WEIGHTS])), *_two_class_constants(BIAS)],
    )
    rows = [{"height": 1.0, "weight": 0.5, "visits": 2}, {"height": -3.0, "weight": 2.5, "visits": 0}]
    parts: dict[str, Any] = {
        "name": "numeric",
        "inputs": (
            Input(name="height", dtype="float", nullable=False, minimum=-5.0, maximum=5.0),
            Input(name="weight", dtype="float", nullable=False),
            Input(name="visits", dtype="int", nullable=False, minimum=0, maximum=9),
        ),
        "outputs": Outputs(classes=(0, 1), labels=("stays", "leaves")),
        "graph": Graph(
            tensors=(Tensor(name="x", dtype="float64", fields=("height", "weight", "visits")),),
            label="label",
            probabilities="probabilities",
        ),
        "golden": _golden(rows, (0, 1), numeric_probability),
    }
    return _write(into, graph, parts | changes)


def mixed_bundle(into: Path, **changes: Any) -> Path:
    """A classifier with classes "no" and "yes" over a nullable number, a nullable string and a bool."""
    nodes = [
        helper.make_node("IsNaN", ["age"], ["age_missing"]),
        helper.make_node("Where", ["age_missing", "age_default", "age"], ["age_filled"]),
        helper.make_node("Sub", ["age_filled", "age_default"], ["age_centred"]),
        helper.make_node("Mul", ["age_centred", "tenth"], ["age_score"]),
        helper.make_node(
            "LabelEncoder",
            ["plan"],
            ["plan_score_float"],
            domain="ai.onnx.ml",
            keys_strings=list(PLAN_WEIGHTS),
            values_floats=list(PLAN_WEIGHTS.values()),
            default_float=0.0,
        ),
        helper.make_node("Cast", ["plan_score_float"], ["plan_score"], to=TensorProto.DOUBLE),
        helper.make_node("Cast", ["member"], ["member_number"], to=TensorProto.DOUBLE),
        helper.make_node("Mul", ["member_number", "half"], ["member_score"]),
        helper.make_node("Sum", ["age_score", "plan_score", "member_score"], ["product"]),
        *_two_classes("product", label="index"),
        helper.make_node(
            "LabelEncoder",
            ["index"],
            ["label"],
            domain="ai.onnx.ml",
            keys_int64s=[0, 1],
            values_strings=["no", "yes"],
            default_string="?",
        ),
    ]
    graph = helper.make_graph(
        nodes,
        "mixed",
        [
            _tensor("age", TensorProto.DOUBLE, 1),
            _tensor("plan", TensorProto.STRING, 1),
            _tensor("member", TensorProto.BOOL, 1),
        ],
        [_tensor("label", TensorProto.STRING), _tensor("probabilities", TensorProto.DOUBLE, 2)],
        [
            _constant("age_default", np.array(AGE_WHEN_MISSING)),
            _constant("tenth", np.array(0.1)),
            _constant("half", np.array(0.5)),
            *_two_class_constants(0.0),
        ],
    )
    rows: list[Row] = [
        {"age": 42.0, "plan": "pro", "member": True},
        {"age": None, "plan": "free", "member": False},
        {"age": 18.5, "plan": None, "member": True},
    ]
    parts: dict[str, Any] = {
        "name": "mixed",
        "inputs": (
            Input(name="age", dtype="float", nullable=True, minimum=18.0, maximum=90.0),
            Input(name="plan", dtype="string", nullable=True, categories=("free", "pro"), unknown="ignore"),
            Input(name="member", dtype="bool", nullable=False),
        ),
        "outputs": Outputs(classes=("no", "yes")),
        "graph": Graph(
            tensors=(
                Tensor(name="age", dtype="float64", fields=("age",)),
                Tensor(name="plan", dtype="string", fields=("plan",)),
                Tensor(name="member", dtype="bool", fields=("member",)),
            ),
            label="label",
            probabilities="probabilities",
        ),
        "golden": _golden(rows, ("no", "yes"), mixed_probability),
    }
    return _write(into, graph, parts | changes)


def regressor_bundle(into: Path, **changes: Any) -> Path:
    """value = 2 * a + log(b): NaN for a negative b."""
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["a", "two"], ["twice"]),
            helper.make_node("Log", ["b"], ["logarithm"]),
            helper.make_node("Add", ["twice", "logarithm"], ["value"]),
        ],
        "regressor",
        [_tensor("a", TensorProto.FLOAT, 1), _tensor("b", TensorProto.FLOAT, 1)],
        [_tensor("value", TensorProto.FLOAT, 1)],
        [_constant("two", np.array(2.0, dtype=np.float32))],
    )
    rows = [{"a": 1.0, "b": 1.0}, {"a": -0.5, "b": 3.0}]
    parts: dict[str, Any] = {
        "name": "regressor",
        "task": "regressor",
        "inputs": tuple(Input(name=name, dtype="float", nullable=False) for name in ("a", "b")),
        "outputs": Outputs(),
        "graph": Graph(
            tensors=tuple(Tensor(name=name, dtype="float32", fields=(name,)) for name in ("a", "b")), value="value"
        ),
        "golden": Golden(rows, [{"value": 2 * row["a"] + math.log(row["b"])} for row in rows], 1e-5),
    }
    return _write(into, graph, parts | changes)


def _write(into: Path, graph: onnx.GraphProto, parts: dict[str, Any]) -> Path:
    model = helper.make_model(graph, opset_imports=OPSETS, ir_version=9)
    onnx.checker.check_model(model)
    defaults: dict[str, Any] = {
        "version": "1.2.3",
        "task": "classifier",
        "threshold": None,
        "source": Source(file="model.joblib", sha256="0" * 64, python="3.11", packages={"scikit-learn": "1.9.1"}),
        "precision": Precision(dtype="float64", reason="exact"),
        "proof": Proof(
            tolerance=1e-5,
            rows=100,
            label_flips=0,
            rows_over_tolerance=0,
            max_error=0.0,
            p99_error=0.0,
            onnxruntime="1.31.1",
        ),
        "metadata": {"trained": "2026-11-01"},
        "model": model.SerializeToString(),
        "baseline": {},
    }
    return write_bundle(Contents(**(defaults | parts)), into, {}).path


def _golden(rows: list[Row], classes: tuple[Any, Any], probability: Any) -> Golden:
    predictions = []
    for row in rows:
        second = probability(row)
        index = int(second > 0.5)
        predictions.append(
            {
                "label": classes[index],
                "probability": max(second, 1 - second),
                "probabilities": {str(classes[0]): 1 - second, str(classes[1]): second},
            }
        )
    return Golden(rows, predictions, 1e-5)


def _two_classes(score: str, label: str = "label") -> list[onnx.NodeProto]:
    return [
        helper.make_node("Add", [score, "bias"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["second"]),
        helper.make_node("Sub", ["one", "second"], ["first"]),
        helper.make_node("Concat", ["first", "second"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], [label], axis=1, keepdims=0),
    ]


def _two_class_constants(bias: float) -> list[onnx.TensorProto]:
    return [_constant("bias", np.array(bias)), _constant("one", np.array(1.0))]


def _tensor(name: str, kind: int, width: int | None = None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["rows"] if width is None else ["rows", width])


def _constant(name: str, value: Any) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def brittle_bundle(into: Path, **changes: Any) -> Path:
    """A classifier that fails on any row whose position is not from 0 to 2: its score is looked up in a table."""
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "position"], ["product"]), *_two_classes("product")],
        "brittle",
        [_tensor("position", TensorProto.INT64, 1)],
        [_tensor("label", TensorProto.INT64), _tensor("probabilities", TensorProto.DOUBLE, 2)],
        [_constant("table", np.array([-1.0, 0.5, 2.0])), *_two_class_constants(0.0)],
    )
    parts: dict[str, Any] = {
        "name": "brittle",
        "inputs": (Input(name="position", dtype="int", nullable=False),),
        "outputs": Outputs(classes=(0, 1)),
        "graph": Graph(
            tensors=(Tensor(name="position", dtype="int64", fields=("position",)),),
            label="label",
            probabilities="probabilities",
        ),
        "golden": _golden([{"position": 2}], (0, 1), lambda _: sigmoid(2.0)),
        "baseline": {
            "predictions": {"kind": "category", "categories": [{"value": 1, "count": 3}, {"value": 0, "count": 1}]}
        },
    }
    return _write(into, graph, parts | changes)
