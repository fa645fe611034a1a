"""Contract 1: the bundle, a directory that holds everything about one model version.

    manifest.json   the contract: inputs, outputs, graph, what was proven
    model.onnx      the converted model; of a native bundle, in its place:
    native/         the original file, its requirements.lock, mldeploy_child/ which opens it, code/ of its own
    golden.json     rows with the original model's answers
    baseline.json   the training distribution, for drift
    report/         what people read: never in the image

`golden.json` and `baseline.json` hold plain JSON so that the runtime, which shares no code with this
module, reads the same files.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from mldeploy.errors import UsageError

SCHEMA = 1
NATIVE = "native"

Scalar = bool | int | float | str
Unknown = Literal["ignore", "warn", "reject"]
Task = Literal["classifier", "regressor", "outlier", "clusterer", "multi-classifier", "multi-regressor", "transformer"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$")]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+_-]{0,127}$")]


class Record(BaseModel):
    """A frozen value that refuses unknown fields, so that a typing error never passes silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(Record):
    """One field of a request. `minimum`, `maximum` and `categories` are what training saw.

    `unknown` says what a category outside `categories` means: `ignore` answers as the trained encoder
    does, `warn` does too and says so in the answer, `reject` refuses the row; None where the field is not categorical.
    """

    name: str
    dtype: Literal["float", "int", "bool", "string"]
    nullable: bool
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[Scalar, ...] | None = None
    unknown: Unknown | None = None


class Outputs(Record):
    """What a prediction holds.

    A classifier has `classes`, and may have `labels`, business names in their order. A model of several outputs
    (multi-classifier, multi-regressor, transformer) has their `names` in order, and a multi-classifier the
    classes of each in `classes_by_output`.
    """

    classes: tuple[Scalar, ...] | None = None
    labels: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    classes_by_output: tuple[tuple[Scalar, ...], ...] | None = None


class Tensor(Record):
    """One input of the ONNX graph: shape [rows, len(fields)], its columns being these fields in order."""

    name: str
    dtype: Literal["float32", "float64", "int64", "bool", "string"]
    fields: tuple[str, ...]


class Graph(Record):
    """How the contract maps onto the ONNX graph.

    The names of its outputs, by task (float is either precision; [rows, 1] may stand for [rows]):

    classifier        `label` [rows], the class itself; `probabilities` float [rows, classes] where there are any
    regressor         `value` float [rows]
    outlier           `label` int64 [rows], 1 or -1; `score` float [rows]
    clusterer         `label` int64 [rows]
    multi-classifier  `label` int64 [rows, outputs], positions in `Outputs.classes_by_output`; `probabilities`
                      float [rows, all classes], those of the outputs side by side, where there are any
    multi-regressor, transformer   `value` float [rows, outputs]

    A missing number enters as NaN, a missing string as `missing_string`.
    """

    tensors: tuple[Tensor, ...]
    missing_string: str = ""
    label: str | None = None
    probabilities: str | None = None
    value: str | None = None
    score: str | None = None

    @property
    def outputs(self) -> list[str]:
        """The names of the graph's outputs."""
        return [name for name in (self.label, self.probabilities, self.value, self.score) if name is not None]


class Native(Record):
    """How the original itself answers: what `native/<file>` is opened with.

    `python` is the Python, such as 3.13, for which `native/requirements.lock` pins what it needs; `select` names one
    of several models in the file; `fields` say how its rows are handed to it, as native/mldeploy_child takes them.
    """

    file: str
    python: str
    select: str | None = None
    fields: tuple[dict[str, Any], ...]


class Source(Record):
    """Where the model came from, and the exact versions that made and converted it."""

    file: str
    sha256: str
    python: str
    packages: dict[str, str]


class Precision(Record):
    dtype: Literal["float32", "float64"]
    reason: str


class Proof(Record):
    """The outcome of comparing the graph, or the original in the image's environment, with the original on `rows` rows.

    An error is the smaller of the absolute and the relative one, so that `tolerance` bounds either.
    """

    tolerance: float
    rows: int
    label_flips: int
    rows_over_tolerance: int
    max_error: float
    p99_error: float
    onnxruntime: str | None

    @property
    def holds(self) -> bool:
        return self.rows > 0 and self.label_flips == 0 and self.rows_over_tolerance == 0


class Manifest(Record):
    """The contract of one model version."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    name: Name
    version: Version
    bundle_id: str
    task: Task
    backend: Literal["onnx", "native"] = "onnx"
    inputs: tuple[Input, ...]
    outputs: Outputs
    graph: Graph
    native: Native | None = None
    threshold: float | None = None
    source: Source
    precision: Precision
    proof: Proof
    metadata: dict[str, Any] = Field(default_factory=dict)

    @property
    def tag(self) -> str:
        """The version as an image tag, where `+` is not allowed."""
        return self.version.replace("+", "-")


@dataclass(frozen=True)
class Golden:
    """Rows with the original model's answers, shaped as in `/predict`: JSON values, `null` for missing."""

    instances: list[dict[str, Any]]
    predictions: list[dict[str, Any]]
    tolerance: float

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "tolerance": self.tolerance,
            "instances": self.instances,
            "predictions": self.predictions,
        }


@dataclass(frozen=True)
class Bundle:
    path: Path
    manifest: Manifest
    golden: Golden

    @property
    def model_path(self) -> Path:
        """What answers: the graph, or the original."""
        native = self.manifest.native
        return self.path / (f"{NATIVE}/{native.file}" if native else "model.onnx")

    def served_files(self) -> list[str]:
        """What the server reads, as paths in the bundle; the report is for people and stays outside."""
        native = [path.relative_to(self.path).as_posix() for path in self.path.glob(f"{NATIVE}/**/*") if path.is_file()]
        return ["manifest.json", "golden.json", "baseline.json", *(sorted(native) or ["model.onnx"])]


@dataclass(frozen=True)
class Contents:
    """What goes into a bundle; its id is computed from these and its version may follow from the id.

    `model` is the graph or, with `native`, the original file; `beside` are then the other files in native/, by path.
    """

    name: str
    version: str | None
    task: Task
    inputs: tuple[Input, ...]
    outputs: Outputs
    graph: Graph
    threshold: float | None
    source: Source
    precision: Precision
    proof: Proof
    metadata: dict[str, Any]
    model: bytes
    golden: Golden
    baseline: dict[str, Any]
    native: Native | None = None
    beside: dict[str, bytes] = field(default_factory=dict)

    def bundle_id(self) -> str:
        """sha-256 over the model, the contract, golden rows and baseline: never over times or the version."""
        parts = {
            "model": hashlib.sha256(self.model).hexdigest(),
            "native": None if self.native is None else self.native.model_dump(),
            "beside": {name: hashlib.sha256(content).hexdigest() for name, content in self.beside.items()},
            "task": self.task,
            "inputs": [field.model_dump() for field in self.inputs],
            "outputs": self.outputs.model_dump(),
            "graph": self.graph.model_dump(),
            "threshold": self.threshold,
            "golden": self.golden.to_json(),
            "baseline": self.baseline,
        }
        return hashlib.sha256(_canonical(parts)).hexdigest()

    def manifest(self) -> Manifest:
        bundle_id = self.bundle_id()
        return Manifest(
            name=self.name,
            version=self.version or f"0.0.0+{bundle_id[:8]}",
            bundle_id=bundle_id,
            task=self.task,
            backend="onnx" if self.native is None else "native",
            inputs=self.inputs,
            outputs=self.outputs,
            graph=self.graph,
            native=self.native,
            threshold=self.threshold,
            source=self.source,
            precision=self.precision,
            proof=self.proof,
            metadata=self.metadata,
        )


def write_bundle(contents: Contents, into: Path, report: dict[str, str]) -> Bundle:
    """Write `into`/<name>-<version>/ as a whole or not at all, in place of an earlier one of that name.

    `report` maps file names under report/ to their text.
    """
    manifest = contents.manifest()
    into.mkdir(parents=True, exist_ok=True)
    target = into / f"{manifest.name}-{manifest.version}"
    staging = Path(tempfile.mkdtemp(prefix=".bundle-", dir=into))
    try:
        staging.chmod(0o755)
        for name, content in _model_files(contents).items():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            (staging / name).write_bytes(content)
        _write_json(staging / "manifest.json", manifest.model_dump(by_alias=True, mode="json"))
        _write_json(staging / "golden.json", contents.golden.to_json())
        _write_json(staging / "baseline.json", contents.baseline)
        (staging / "report").mkdir()
        for name, text in report.items():
            (staging / "report" / name).write_text(text, encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        staging.rename(target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return Bundle(target, manifest, contents.golden)


def read_bundle(path: Path) -> Bundle:
    """Read and check a bundle.

    Raises UsageError when the directory is no bundle, or was written by another schema.
    """
    try:
        raw = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        golden = json.loads((path / "golden.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise UsageError(
            f"{path} is not a bundle",
            cause=str(failure),
            remedy="Name a directory that `mldeploy package` wrote, such as build/<name>-<version>.",
        ) from failure
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        found = raw.get("schema") if isinstance(raw, dict) else None
        raise UsageError(
            f"{path} was written by another version of mldeploy",
            cause=f"its schema number is {found!r}; this version reads {SCHEMA}",
            remedy="Package the model again with this version.",
        )
    try:
        manifest = Manifest.model_validate(raw)
    except ValidationError as failure:
        first = failure.errors()[0]
        raise UsageError(
            f"{path}/manifest.json is damaged",
            cause=f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}",
            remedy="Package the model again.",
        ) from failure
    return Bundle(path, manifest, Golden(golden["instances"], golden["predictions"], golden["tolerance"]))


def find_bundles(directory: Path) -> list[Path]:
    """The bundles in `directory`, newest first."""
    found = [path.parent for path in directory.glob("[!.]*/manifest.json")]
    return sorted(found, key=lambda path: (path / "manifest.json").stat().st_mtime_ns, reverse=True)


def newest_bundle(directory: Path, name: str | None = None) -> Path:
    """The bundle packaged last (of model `name`, if given)."""
    for path in find_bundles(directory):
        if name is None or read_bundle(path).manifest.name == name:
            return path
    raise UsageError(
        f"there is no bundle{f' of {name}' if name else ''} in {directory}/",
        remedy="Make one with `mldeploy package MODEL`, or name its directory.",
    )


def name_and_version(model: Path) -> tuple[str, str | None]:
    """What a file name says: `churn_v2.1.0.joblib` is churn at 2.1.0; `churn.joblib` has no version.

    >>> name_and_version(Path("churn_v2.1.0.joblib"))
    ('churn', '2.1.0')
    """
    stem = model.name
    for suffix in (".gz", ".z", ".bz2", ".xz", ".lzma", ".joblib", ".pkl", ".pickle"):
        stem = stem.removesuffix(suffix)
    match = re.fullmatch(r"(?P<name>.+?)[-_ ]?v?(?P<version>\d+\.\d+(?:\.\d+)?[0-9A-Za-z.+-]*)", stem)
    name, version = (match["name"], match["version"]) if match else (stem, None)
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:48].strip("-") or "model", version


def _model_files(contents: Contents) -> dict[str, bytes]:
    if contents.native is None:
        return {"model.onnx": contents.model}
    return {
        f"{NATIVE}/{name}": content
        for name, content in {contents.native.file: contents.model, **contents.beside}.items()
    }


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
