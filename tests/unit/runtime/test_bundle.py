"""What the runtime takes for a bundle, and how it says that something is none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mldeploy.bundle import Input, Tensor, read_bundle
from mldeploy_runtime.bundle import BundleError, read_golden, read_manifest
from mldeploy_runtime.contract import build_contract
from mldeploy_runtime.session import open_session
from tests.unit.runtime.bundles import mixed_bundle, numeric_bundle, regressor_bundle
from tests.unit.runtime.server import started

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def change(bundle: Path, edit: Callable[[dict[str, Any]], Any], file: str = "manifest.json") -> Path:
    document = json.loads((bundle / file).read_text())
    edit(document)
    (bundle / file).write_text(json.dumps(document))
    return bundle


@pytest.mark.parametrize("make", [numeric_bundle, mixed_bundle, regressor_bundle])
def test_both_readers_of_a_bundle_see_the_same(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    theirs = read_bundle(make(tmp_path))
    ours = read_manifest(theirs.path)
    assert (ours.name, ours.version, ours.bundle_id) == (
        theirs.manifest.name,
        theirs.manifest.version,
        theirs.manifest.bundle_id,
    )
    assert [field.name for field in ours.inputs] == [field.name for field in theirs.manifest.inputs]
    assert ours.outputs.classes == theirs.manifest.outputs.classes
    golden = read_golden(theirs.path)
    assert (golden.instances, golden.predictions) == (theirs.golden.instances, theirs.golden.predictions)


@pytest.mark.parametrize("file", ["manifest.json", "golden.json"])
def test_another_schema_number_is_named(tmp_path: Path, file: str) -> None:
    bundle = change(numeric_bundle(tmp_path), lambda document: document.update(schema=2), file)
    read = read_manifest if file == "manifest.json" else read_golden
    with pytest.raises(BundleError, match=rf"{file} has schema number 2; this runtime reads 1"):
        read(bundle)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda manifest: manifest.pop("inputs"), "missing required field `inputs`"),
        (lambda manifest: manifest["inputs"][0].update(dtype="date"), "Invalid enum value 'date'"),
        (lambda manifest: manifest["inputs"].append(manifest["inputs"][0]), "two of one name"),
        (lambda manifest: manifest["graph"]["tensors"][0]["fields"].append("age"), "packs 'age', which is no input"),
        (lambda manifest: manifest["inputs"][0].update(dtype="string"), "cannot hold the string field 'height'"),
        (lambda manifest: manifest["outputs"].update(labels=["one"]), "as many as classes"),
        (lambda manifest: manifest["outputs"].update(classes=None), "must name its classes"),
        (lambda manifest: manifest.update(task="regressor"), "must name its value"),
    ],
)
def test_a_damaged_manifest_is_explained(tmp_path: Path, edit: Callable[[dict[str, Any]], Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        read_manifest(change(numeric_bundle(tmp_path), edit))


def test_a_nullable_bool_needs_a_tensor_that_can_hold_it(tmp_path: Path) -> None:
    bundle = change(mixed_bundle(tmp_path), lambda manifest: manifest["inputs"][2].update(nullable=True))
    with pytest.raises(BundleError, match="cannot hold the nulls of field 'member'"):
        read_manifest(bundle)


def test_golden_rows_without_answers_are_refused(tmp_path: Path) -> None:
    bundle = change(numeric_bundle(tmp_path), lambda golden: golden["predictions"].pop(), "golden.json")
    with pytest.raises(BundleError, match="2 instances and 1 predictions"):
        read_golden(bundle)


def test_a_field_name_that_cannot_be_served_is_named(tmp_path: Path) -> None:
    name = 'height "m"'
    bundle = numeric_bundle(
        tmp_path,
        inputs=(Input(name=name, dtype="float", nullable=False),),
        graph=read_bundle(numeric_bundle(tmp_path)).manifest.graph.model_copy(
            update={"tensors": (Tensor(name="x", dtype="float64", fields=(name,)),)}
        ),
    )
    with pytest.raises(BundleError, match="an input's name cannot be served"):
        build_contract(read_manifest(bundle), 10)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda manifest: manifest["graph"]["tensors"][0].update(dtype="float32"), r"'x' is tensor\(double\) in the"),
        (lambda manifest: manifest["graph"]["tensors"][0].update(name="y"), "'x' is .* in the graph and absent"),
        (lambda manifest: manifest["graph"].update(probabilities="scores"), "the graph has no output 'scores'"),
    ],
)
def test_a_graph_that_is_not_the_manifests_is_refused(
    tmp_path: Path, edit: Callable[[dict[str, Any]], Any], message: str
) -> None:
    bundle = change(numeric_bundle(tmp_path), edit)
    with pytest.raises(BundleError, match=message):
        open_session(bundle / "model.onnx", read_manifest(bundle))


def test_a_graph_that_does_not_load_leaves_a_server_that_says_so(tmp_path: Path) -> None:
    bundle = numeric_bundle(tmp_path)
    (bundle / "model.onnx").write_bytes(b"no graph")
    with started(bundle, tmp_path, ready=False) as server:
        code, answer = server.control("wait-ready", "--timeout", "20")
        health = server.client.get("/health").json()
    assert code == 1
    assert answer["reason"].startswith("onnxruntime cannot load model.onnx")
    assert (health["status"], health["loaded_at"]) == ("ok", None)
