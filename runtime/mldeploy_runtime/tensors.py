"""Open Inference Protocol V2: tensors <-> what /predict takes and answers. One tensor a field, one element a row."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from mldeploy_runtime.contract import commas_for, has_more_commas
from mldeploy_runtime.problems import Problem, too_many_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldeploy_runtime.bundle import Input, Manifest, Scalar
    from mldeploy_runtime.predictions import Prediction

DTYPES = {
    "BOOL": np.dtype("?"),
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
}
INTEGERS = {name for name in DTYPES if "INT" in name}
# The datatypes that a field takes, the one that is published for it first.
TAKES = {
    "float": ("FP64", "FP32", "FP16", *sorted(INTEGERS)),
    "int": ("INT64", *sorted(INTEGERS - {"INT64"})),
    "bool": ("BOOL",),
    "string": ("BYTES",),
}
# What answers, by the name that KServe has for it.
PLATFORMS = {"onnx": "onnx_onnxv1", "native": "python"}
LENGTH = struct.Struct("<I")

Value = bool | int | float | str | None

# An output's name, its datatype and the width of a row, which is () for one element.
Output = tuple[str, str, tuple[int, ...]]


class Parameters(msgspec.Struct, omit_defaults=True, frozen=True):
    binary_data_size: int | None = None
    binary_data: bool | None = None
    binary_data_output: bool | None = None
    threshold: float | None = None


class InputTensor(msgspec.Struct):
    """Its `data` are one value a row, each perhaps a list of it alone."""

    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters = Parameters()
    data: list[Value | list[Value]] | None = None


class RequestedOutput(msgspec.Struct):
    name: str
    parameters: Parameters = Parameters()


class InferRequest(msgspec.Struct):
    """What others have defined may be in it too; it is passed over."""

    inputs: list[InputTensor]
    id: str = ""
    parameters: Parameters = Parameters()
    outputs: list[RequestedOutput] | None = None


class OutputTensor(msgspec.Struct, omit_defaults=True):
    name: str
    shape: list[int]
    datatype: str
    parameters: Parameters | None = None
    data: list[Any] | None = None


class InferResponse(msgspec.Struct, omit_defaults=True):
    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str = ""


def metadata(manifest: Manifest) -> dict[str, Any]:
    """The model's tensors as the protocol describes them; -1 is the number of rows."""
    inputs = [{"name": field.name, "datatype": TAKES[field.dtype][0], "shape": [-1]} for field in manifest.inputs]
    outputs = [
        {"name": name, "datatype": datatype, "shape": [-1, *width]} for name, datatype, width in _outputs(manifest)
    ]
    return {
        "name": manifest.name,
        "versions": [manifest.version],
        "platform": PLATFORMS[manifest.backend],
        "inputs": inputs,
        "outputs": outputs,
    }


def read_infer(body: bytes, json_length: int | None, manifest: Manifest, max_rows: int) -> tuple[InferRequest, bytes]:
    """Take a request apart: the request, and the body of the /predict request that asks the same.

    `json_length` is how much of the body is JSON; what follows are binary tensors, in the order of the inputs that
    have one. Raises Problem.
    """
    end = len(body) if json_length is None else json_length
    if not 0 <= end <= len(body):
        raise _invalid(f"Inference-Header-Content-Length is {end}, and the body has {len(body)} bytes")
    text = body[:end]
    if has_more_commas(text, commas_for(max_rows, len(manifest.inputs))):
        raise too_many_rows(max_rows)
    try:
        request = msgspec.json.decode(text, type=InferRequest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
        raise _invalid(f"the request cannot be read: {failure}") from None
    fields = {field.name: field for field in manifest.inputs}
    names = [tensor.name for tensor in request.inputs]
    if sorted(names) != sorted(fields):
        wrong = sorted(set(names) ^ set(fields)) or names
        raise _invalid(f"each input of the model is needed once, and no other; look at {', '.join(wrong[:5])}")
    known = {name for name, _, _ in _outputs(manifest)}
    for output in request.outputs or ():
        if output.name not in known:
            raise _invalid(f"there is no output {output.name!r}; there is {', '.join(sorted(known))}")
    columns = {}
    for tensor in request.inputs:
        size = tensor.parameters.binary_data_size
        if size is not None and not 0 <= size <= len(body) - end:
            raise _invalid(f"input {tensor.name!r} has less binary data than its binary_data_size")
        binary = body[end : end + size] if size is not None else None
        columns[tensor.name] = _column(tensor, binary, fields[tensor.name], max_rows)
        end += size or 0
    if end != len(body):
        raise _invalid(f"{len(body) - end} bytes follow the last binary tensor")
    asked: dict[str, Any] = {"columns": columns}
    if request.parameters.threshold is not None:
        asked["threshold"] = request.parameters.threshold
    return request, msgspec.json.encode(asked)


def write_infer(request: InferRequest, predictions: list[Prediction], manifest: Manifest) -> tuple[bytes, int | None]:
    """The answer's body and, where binary tensors follow it, the length of its JSON."""
    binary_by_default = bool(request.parameters.binary_data_output)
    wanted = {output.name: output.parameters.binary_data for output in request.outputs or ()}
    tensors, tail = [], b""
    for name, datatype, width in _outputs(manifest):
        if wanted and name not in wanted:
            continue
        values = _values(name, predictions)
        shape = [len(predictions), *width]
        is_binary = wanted.get(name)
        if binary_by_default if is_binary is None else is_binary:
            data = _to_bytes(values, datatype)
            tail += data
            tensors.append(OutputTensor(name, shape, datatype, Parameters(binary_data_size=len(data))))
        else:
            tensors.append(OutputTensor(name, shape, datatype, None, values))
    response = InferResponse(manifest.name, manifest.version, tensors, request.id)
    head = msgspec.json.encode(response)
    return head + tail, len(head) if tail else None


def _outputs(manifest: Manifest) -> list[Output]:
    """Name, datatype and width of each output."""
    outputs, graph = manifest.outputs, manifest.graph
    if outputs.classes_by_output is not None:
        return _label_outputs(manifest)
    if outputs.names is not None:
        return [("values", "FP64", (len(outputs.names),))]
    found: list[Output] = []
    if graph.label is not None:
        found.append(("label", _datatype(outputs.classes or (0,)), ()))
    if graph.probabilities is not None:
        found.append(("probabilities", "FP64", (len(outputs.classes or ()),)))
    return [*found, *((name, "FP64", ()) for name in ("value", "score") if getattr(graph, name) is not None)]


def _label_outputs(manifest: Manifest) -> list[Output]:
    """Each output's own tensors, for each has its own classes."""
    found: list[Output] = []
    for name, classes in zip(manifest.outputs.names or (), manifest.outputs.classes_by_output or (), strict=True):
        found.append((f"label:{name}", _datatype(classes), ()))
        if manifest.graph.probabilities is not None:
            found.append((f"probabilities:{name}", "FP64", (len(classes),)))
    return found


def _datatype(classes: Sequence[Scalar]) -> str:
    return {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}[type(classes[0])]


def _column(tensor: InputTensor, binary: bytes | None, field: Input, max_rows: int) -> list[Any]:
    """The tensor's values as JSON has them: None for NaN."""
    rows = tensor.shape[0] if tensor.shape else 0
    if tensor.shape not in ([rows], [rows, 1]) or rows < 1:
        raise _invalid(f"input {tensor.name!r} has shape {tensor.shape}; it takes [rows] or [rows, 1]")
    if rows > max_rows:
        raise too_many_rows(max_rows)
    if tensor.datatype not in TAKES[field.dtype]:
        raise _invalid(f"input {tensor.name!r} is {tensor.datatype}; it takes {', '.join(TAKES[field.dtype])}")
    if binary is not None:
        values = _from_bytes(tensor, binary, rows)
    else:
        given = tensor.data or []
        values = [value[0] if isinstance(value, list) and len(value) == 1 else value for value in given]
    if len(values) != rows:
        raise _wrong_number(tensor, len(values))
    if any(isinstance(value, float) and math.isinf(value) for value in values):
        raise _invalid(f"input {tensor.name!r} holds an infinite number")
    return [None if value != value else value for value in values]


def _from_bytes(tensor: InputTensor, binary: bytes, rows: int) -> list[Any]:
    """The values, of which no more become objects than there are to be."""
    if tensor.datatype != "BYTES":
        dtype = DTYPES[tensor.datatype]
        if len(binary) % dtype.itemsize:
            raise _invalid(f"input {tensor.name!r} has {len(binary)} bytes, which is no number of {tensor.datatype}")
        if len(binary) != rows * dtype.itemsize:
            raise _wrong_number(tensor, len(binary) // dtype.itemsize)
        if tensor.datatype == "BOOL" and binary.strip(b"\x00\x01"):
            raise _invalid(f"input {tensor.name!r} holds a BOOL that is neither 0 nor 1")
        values: list[Any] = np.frombuffer(binary, dtype).tolist()
        return values
    texts: list[str] = []
    at = 0
    while at < len(binary):
        if len(texts) == rows:
            raise _invalid(f"input {tensor.name!r} has more texts than shape {tensor.shape} says")
        if at + LENGTH.size > len(binary):
            raise _invalid(f"input {tensor.name!r} ends within a length")
        (length,) = LENGTH.unpack_from(binary, at)
        at += LENGTH.size
        if at + length > len(binary):
            raise _invalid(f"input {tensor.name!r} ends within a text")
        try:
            texts.append(binary[at : at + length].decode())
        except UnicodeDecodeError:
            raise _invalid(f"input {tensor.name!r} holds a text that is not UTF-8") from None
        at += length
    return texts


def _wrong_number(tensor: InputTensor, given: int) -> Problem:
    return _invalid(f"input {tensor.name!r} has {given} values for shape {tensor.shape}")


def _values(output: str, predictions: list[Any]) -> list[Any]:
    """What the tensor holds, row by row."""
    kind, _, name = output.partition(":")
    if kind in ("probabilities", "values"):
        by_row = (getattr(prediction, kind) for prediction in predictions)
        return [value for given in by_row for value in (given[name] if name else given).values()]
    if name:
        return [prediction.labels[name] for prediction in predictions]
    return [getattr(prediction, output) for prediction in predictions]


def _to_bytes(values: list[Any], datatype: str) -> bytes:
    if datatype != "BYTES":
        return np.array(values, DTYPES[datatype]).tobytes()
    texts = [str(value).encode() for value in values]
    return b"".join(LENGTH.pack(len(text)) + text for text in texts)


def _invalid(detail: str) -> Problem:
    return Problem("invalid-input", detail)
