"""The rungs that use skl2onnx, in float32 or float64."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .emit.registry import NotEmitted

if TYPE_CHECKING:
    from .kinds import Kind

MISSING_STRING = ""
OPSETS = {"": 21, "ai.onnx.ml": 3}
# What the converter's outputs are, in its order.
OUTPUTS = {
    "classifier": ("label", "probabilities"),
    "regressor": ("value",),
    "outlier": ("label", "score"),
    "clusterer": ("label",),
    "multi-regressor": ("value",),
    "transformer": ("value",),
}


def convert_stock(model: Any, fields: list[dict[str, Any]], kind: Kind, precision: str) -> tuple[Any, dict[str, Any]]:
    """The graph by skl2onnx, and how the fields map onto it."""
    if kind.task not in OUTPUTS:
        raise NotEmitted(f"the converter is not asked for a {kind.task}")
    import skl2onnx
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType

    number = FloatTensorType if precision == "float32" else DoubleTensorType
    tensors = _tensors(model, fields, precision)
    types = [
        (each["name"], (StringTensorType if each["dtype"] == "string" else number)([None, len(each["fields"])]))
        for each in tensors
    ]
    options = {id(model): {"zipmap": False}} if kind.task == "classifier" else None
    built = skl2onnx.to_onnx(model, initial_types=types, options=options, target_opset=OPSETS)
    if any(node.op_type == "Tokenizer" for node in built.graph.node):
        raise NotEmitted("the converter knows no letters but ASCII's, which rows of other texts would tell too late")
    renamed = {each["name"] for each in tensors} - {value.name for value in built.graph.input}
    if renamed:
        raise NotEmitted(f"the converter renamed the inputs {', '.join(sorted(renamed))}")
    names = dict(zip(OUTPUTS[kind.task], (value.name for value in built.graph.output)))
    if kind.task == "classifier" and not hasattr(model, "predict_proba"):
        del names["probabilities"]
    return built, {"tensors": tensors, "missing_string": MISSING_STRING, **names}


def _tensors(model: Any, fields: list[dict[str, Any]], precision: str) -> list[dict[str, Any]]:
    """One tensor a field where a column transformer picks fields by name, else one matrix of numbers."""
    first = model.steps[0][1] if hasattr(model, "steps") else model
    if hasattr(first, "transformers_") and hasattr(model, "feature_names_in_"):
        return [
            {
                "name": field["name"],
                "dtype": "string" if field["dtype"] == "string" else precision,
                "fields": [field["name"]],
            }
            for field in fields
        ]
    if any(field["dtype"] == "string" for field in fields):
        raise NotEmitted("text outside a column transformer has no single input type")
    return [{"name": "numbers", "dtype": precision, "fields": [field["name"] for field in fields]}]
