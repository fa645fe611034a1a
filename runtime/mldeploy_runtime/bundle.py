"""Contract 1 as the runtime reads it: a bundle's manifest.json and golden.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from mldeploy_runtime.settings import Settings

SCHEMA = 1

Scalar = bool | int | float | str
Task = Literal["classifier", "regressor", "outlier", "clusterer", "multi-classifier", "multi-regressor", "transformer"]
Instance = dict[str, Scalar | None]


# What each task's graph must name, and what people call such a model.
NEEDS: dict[Task, tuple[str, ...]] = {
    "classifier": ("label",),
    "regressor": ("value",),
    "outlier": ("label", "score"),
    "clusterer": ("label",),
    "multi-classifier": ("label",),
    "multi-regressor": ("value",),
    "transformer": ("value",),
}
DESCRIBED: dict[Task, str] = {
    "classifier": "a classifier",
    "regressor": "a regressor",
    "outlier": "an outlier detector",
    "clusterer": "a clusterer",
    "multi-classifier": "a classifier of several outputs",
    "multi-regressor": "a regressor of several outputs",
    "transformer": "a transformer",
}


class BundleError(Exception):
    """The directory cannot be served; the message says why."""


class Input(msgspec.Struct, frozen=True):
    """One field of a request. `minimum`, `maximum` and `categories` are what training saw.

    `unknown` says what a category outside `categories` means: `ignore` answers as the trained encoder does, `warn` does
    too and says so in the answer, `reject` refuses the row.
    """

    name: str
    dtype: Literal["float", "int", "bool", "string"]
    nullable: bool
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[Scalar, ...] | None = None
    unknown: Literal["ignore", "warn", "reject"] | None = None


class Outputs(msgspec.Struct, frozen=True):
    """A classifier's `classes` and, in their order, its business names, `labels`.

    A model of several outputs has their `names`, and a multi-classifier the classes of each in `classes_by_output`.
    """

    classes: tuple[Scalar, ...] | None = None
    labels: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    classes_by_output: tuple[tuple[Scalar, ...], ...] | None = None


class Tensor(msgspec.Struct, frozen=True):
    """One input of the graph: shape [rows, len(fields)], its columns being these fields in order."""

    name: str
    dtype: Literal["float32", "float64", "int64", "bool", "string"]
    fields: tuple[str, ...]


class Graph(msgspec.Struct, frozen=True):
    """The graph's inputs and the names of its outputs. A missing number enters as NaN, a missing string as
    `missing_string`."""

    tensors: tuple[Tensor, ...]
    missing_string: str = ""
    label: str | None = None
    probabilities: str | None = None
    value: str | None = None
    score: str | None = None

    @property
    def outputs(self) -> list[str]:
        """The outputs that are read: those that the task has, in this order."""
        return [name for name in (self.label, self.probabilities, self.value, self.score) if name is not None]


class Native(msgspec.Struct, frozen=True):
    """How `native/<file>`, the original, is opened: `select` names one of several models in it, and `fields` say how
    its rows are handed to it, as native/mldeploy_child takes them."""

    file: str
    fields: list[dict[str, Any]]
    select: str | None = None


class Manifest(msgspec.Struct, frozen=True):
    """What the runtime needs of the contract; `source`, `precision`, `proof` and `metadata` are only shown."""

    name: str
    version: str
    bundle_id: str
    task: Task
    inputs: tuple[Input, ...]
    outputs: Outputs
    graph: Graph
    backend: Literal["onnx", "native"] = "onnx"
    native: Native | None = None
    threshold: float | None = None
    source: dict[str, Any] = {}
    precision: dict[str, Any] = {}
    proof: dict[str, Any] = {}
    metadata: dict[str, Any] = {}

    @property
    def described(self) -> str:
        """What the model is, with its article."""
        return DESCRIBED[self.task]

    @property
    def takes_threshold(self) -> bool:
        """Whether a request may set the decision threshold: two classes, and probabilities to compare."""
        return len(self.outputs.classes or ()) == 2 and self.graph.probabilities is not None


class Golden(msgspec.Struct, frozen=True):
    """Rows with the original model's answers, shaped as in `/predict`; `tolerance` is absolute or relative."""

    tolerance: float
    instances: list[Instance]
    predictions: list[dict[str, Any]]


class Category(msgspec.Struct, frozen=True):
    value: Scalar
    count: int


class Distribution(msgspec.Struct, frozen=True):
    """Of numbers the quantiles, every 5 %, of all else how often each category came."""

    quantiles: tuple[float, ...] = ()
    categories: tuple[Category, ...] = ()


class Baseline(msgspec.Struct, frozen=True):
    """How training was distributed; `predictions` are what the original answered to the sample, where there was one."""

    predictions: Distribution | None = None


class _Versioned(msgspec.Struct):
    schema: Any = None


_Read = TypeVar("_Read", Manifest, Golden)


def read_manifest(bundle: Path) -> Manifest:
    """Read and check manifest.json.

    Raises BundleError when it is missing, damaged, written under another schema number or contradicts itself.
    """
    manifest = _read(bundle / "manifest.json", Manifest)
    _check(manifest)
    return manifest


def with_settings(manifest: Manifest, settings: Settings) -> Manifest:
    """The manifest with the threshold, the business labels and the answer to unseen categories that it is served with.

    Raises BundleError when the model cannot have them.
    """
    threshold = manifest.threshold if settings.threshold is None else settings.threshold
    if settings.threshold is not None and not manifest.takes_threshold:
        raise BundleError("a threshold is set, which only a model with two classes and probabilities takes")
    outputs = manifest.outputs
    if settings.labels is not None:
        outputs = msgspec.structs.replace(outputs, labels=_labels(settings.labels, outputs))
    inputs = tuple(
        msgspec.structs.replace(field, unknown=settings.unknown or field.unknown)
        if field.unknown in ("ignore", "warn")
        else field
        for field in manifest.inputs
    )
    return msgspec.structs.replace(manifest, inputs=inputs, threshold=threshold, outputs=outputs)


def _labels(given: tuple[str, ...] | dict[str, str], outputs: Outputs) -> tuple[str, ...]:
    classes = [str(label) for label in outputs.classes or ()]
    if isinstance(given, dict) and given.keys() == set(classes):
        return tuple(given[label] for label in classes)
    if isinstance(given, tuple) and len(given) == len(classes):
        return given
    raise BundleError(f"business labels are set that do not fit the classes {classes}")


def read_golden(bundle: Path) -> Golden:
    """Read golden.json. Raises BundleError as `read_manifest` does."""
    golden = _read(bundle / "golden.json", Golden)
    if len(golden.instances) != len(golden.predictions):
        raise BundleError(
            f"golden.json holds {len(golden.instances)} instances and {len(golden.predictions)} predictions"
        )
    return golden


def read_baseline(bundle: Path) -> Baseline:
    """Read baseline.json, which need not be there. Raises BundleError when it is damaged."""
    path = bundle / "baseline.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Baseline)
    except FileNotFoundError:
        return Baseline()
    except (OSError, msgspec.DecodeError) as failure:
        raise BundleError(f"{path.name} is damaged: {failure}") from failure


def _read(path: Path, kind: type[_Read]) -> _Read:
    try:
        text = path.read_bytes()
        schema = msgspec.json.decode(text, type=_Versioned).schema
        if schema != SCHEMA:
            raise BundleError(f"{path.name} has schema number {schema!r}; this runtime reads {SCHEMA}")
        return msgspec.json.decode(text, type=kind)
    except OSError as failure:
        raise BundleError(f"{path} cannot be read: {failure.strerror}") from failure
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        raise BundleError(f"{path.name} is damaged: {failure}") from failure


def _check(manifest: Manifest) -> None:
    inputs = {field.name: field for field in manifest.inputs}
    if not inputs or len(inputs) != len(manifest.inputs):
        raise BundleError("the manifest has no inputs, or two of one name")
    for tensor in manifest.graph.tensors:
        for name in tensor.fields:
            if name not in inputs:
                raise BundleError(f"tensor {tensor.name!r} packs {name!r}, which is no input")
            _check_packing(inputs[name], tensor)
    _check_outputs(manifest)
    labels, classes = manifest.outputs.labels, manifest.outputs.classes
    if labels is not None and len(labels) != len(classes or ()):
        raise BundleError("business labels must be as many as classes")


def _check_outputs(manifest: Manifest) -> None:
    outputs = manifest.outputs
    for name in NEEDS[manifest.task]:
        if getattr(manifest.graph, name) is None:
            raise BundleError(f"the graph of {manifest.described} must name its {name}")
    if manifest.task == "classifier" and not outputs.classes:
        raise BundleError("a classifier must name its classes")
    if manifest.task in ("multi-classifier", "multi-regressor", "transformer") and not outputs.names:
        raise BundleError(f"{manifest.described} must name its outputs")
    if manifest.task == "multi-classifier" and len(outputs.classes_by_output or ()) != len(outputs.names or ()):
        raise BundleError("a classifier of several outputs must name the classes of each")


def _check_packing(field: Input, tensor: Tensor) -> None:
    """A tensor must be able to hold each value that its field allows."""
    holds = {
        "string": {"string"},
        "bool": {"bool"},
        "int64": {"int", "bool"},
        "float32": {"float", "int", "bool"},
        "float64": {"float", "int", "bool"},
    }[tensor.dtype]
    if field.dtype not in holds:
        raise BundleError(f"{tensor.dtype} tensor {tensor.name!r} cannot hold the {field.dtype} field {field.name!r}")
    if field.nullable and tensor.dtype in ("int64", "bool"):
        raise BundleError(f"{tensor.dtype} tensor {tensor.name!r} cannot hold the nulls of field {field.name!r}")
