"""The bundle: what is written is read back, whole, and its id depends on what the model is alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

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
    find_bundles,
    name_and_version,
    newest_bundle,
    read_bundle,
    write_bundle,
)
from mldeploy.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

CONTENTS = Contents(
    name="churn",
    version="1.0.0",
    task="regressor",
    inputs=(Input(name="age (years)", dtype="float", nullable=True, minimum=18, maximum=99),),
    outputs=Outputs(),
    graph=Graph(tensors=(Tensor(name="numbers", dtype="float64", fields=("age (years)",)),), value="value"),
    threshold=None,
    source=Source(file="churn.joblib", sha256="0" * 64, python="3.11.7", packages={"scikit-learn": "1.9.1"}),
    precision=Precision(dtype="float64", reason="first rung that passed"),
    proof=Proof(
        tolerance=1e-5,
        rows=10,
        label_flips=0,
        rows_over_tolerance=0,
        max_error=1e-12,
        p99_error=1e-13,
        onnxruntime="1.31.1",
    ),
    metadata={},
    model=b"graph",
    golden=Golden([{"age (years)": None}], [{"value": 1.5}], 1e-5),
    baseline={"schema": 1},
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = write_bundle(CONTENTS, tmp_path, {"parity.html": "<p>"})
    assert written.path == tmp_path / "churn-1.0.0"
    assert read_bundle(written.path) == written
    assert written.model_path.read_bytes() == b"graph"
    assert (written.path / "report" / "parity.html").read_text() == "<p>"


def test_writing_again_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    write_bundle(CONTENTS, tmp_path, {"old.txt": ""})
    written = write_bundle(replace(CONTENTS, model=b"other"), tmp_path, {})
    assert written.model_path.read_bytes() == b"other"
    assert not (written.path / "report" / "old.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["churn-1.0.0"]


def test_a_bundle_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    before = write_bundle(CONTENTS, tmp_path, {})
    with pytest.raises(OSError, match="No such file"):
        write_bundle(replace(CONTENTS, model=b"other"), tmp_path, {"no/such/folder.txt": ""})
    assert read_bundle(before.path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["churn-1.0.0"]


@pytest.mark.parametrize(
    "change",
    [
        {"model": b"other"},
        {"inputs": (CONTENTS.inputs[0].model_copy(update={"nullable": False}),)},
        {"threshold": 0.3},
        {"golden": Golden([], [], 1e-5)},
        {"baseline": {}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_id_changes_with_what_the_model_is(change: dict[str, Any]) -> None:
    assert replace(CONTENTS, **change).bundle_id() != CONTENTS.bundle_id()


@pytest.mark.parametrize(
    "change", [{"version": "2.0.0"}, {"metadata": {"trained": "2026-11-01"}}, {"name": "other"}], ids=str
)
def test_the_id_does_not_change_with_what_it_is_called(change: dict[str, Any]) -> None:
    assert replace(CONTENTS, **change).bundle_id() == CONTENTS.bundle_id()


def test_without_a_version_it_follows_from_the_id_and_fits_a_tag() -> None:
    manifest = replace(CONTENTS, version=None).manifest()
    assert manifest.version == f"0.0.0+{CONTENTS.bundle_id()[:8]}"
    assert manifest.tag == f"0.0.0-{CONTENTS.bundle_id()[:8]}"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("churn_v2.1.0.joblib", ("churn", "2.1.0")),
        ("churn-1.0.pkl.gz", ("churn", "1.0")),
        ("churn.joblib", ("churn", None)),
        ("model2.joblib", ("model2", None)),
        ("My Model_v3.0.0-rc1.joblib", ("my-model", "3.0.0-rc1")),
        ("___.joblib", ("model", None)),
    ],
)
def test_name_and_version_come_from_the_file_name(file: str, expected: tuple[str, str | None], tmp_path: Path) -> None:
    assert name_and_version(tmp_path / file) == expected


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a bundle"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("schema", [2, None, "1"])
def test_an_unknown_schema_number_is_a_clear_error(tmp_path: Path, schema: Any) -> None:
    path = write_bundle(CONTENTS, tmp_path, {}).path
    raw = json.loads((path / "manifest.json").read_text()) | {"schema": schema}
    (path / "manifest.json").write_text(json.dumps(raw))
    with pytest.raises(UsageError, match="another version of mldeploy"):
        read_bundle(path)


def test_a_damaged_manifest_is_named_with_the_field(tmp_path: Path) -> None:
    path = write_bundle(CONTENTS, tmp_path, {}).path
    raw = json.loads((path / "manifest.json").read_text()) | {"task": "dance"}
    (path / "manifest.json").write_text(json.dumps(raw))
    with pytest.raises(UsageError, match="is damaged") as failure:
        read_bundle(path)
    assert failure.value.cause.startswith("task")


def test_the_newest_bundle_is_the_one_packaged_last(tmp_path: Path) -> None:
    first = write_bundle(CONTENTS, tmp_path, {}).path
    second = write_bundle(replace(CONTENTS, version="2.0.0"), tmp_path, {}).path
    other = write_bundle(replace(CONTENTS, name="fraud"), tmp_path, {}).path
    assert find_bundles(tmp_path) == [other, second, first]
    assert newest_bundle(tmp_path) == other
    assert newest_bundle(tmp_path, "churn") == second
    with pytest.raises(UsageError, match="no bundle of spam"):
        newest_bundle(tmp_path, "spam")
