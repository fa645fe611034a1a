"""A model that no graph says, served by the original itself from its image, on the real Docker Engine."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import joblib
import pytest
from sklearn.linear_model import LinearRegression

from mldeploy.bundle import read_bundle
from mldeploy.config import ImageConfig
from mldeploy.errors import MldeployError
from mldeploy.image import Image, build_image
from mldeploy.image.engine import connect
from mldeploy.image.serve import serving
from mldeploy.model.package import package_model
from tests.integration.command import mldeploy
from tests.rig import images as rig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mldeploy.bundle import Bundle

STEPS = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

class Rule(ClassifierMixin, BaseEstimator):
    def fit(self, x, y):
        self.classes_ = np.unique(y)
        self.n_features_in_ = x.shape[1]
        self.feature_names_in_ = np.asarray(x.columns, dtype=object)
        self.mean_ = x["age"].mean()
        return self

    def predict_proba(self, x):
        if x["age"].isna().any():
            raise ValueError("the age is needed")
        if (x["age"] > 1e6).any():
            raise ValueError("nobody is as old")
        second = 1 / (1 + np.exp(self.mean_ / 7 - x["age"].to_numpy() / 7 - (x["plan"] == "pro").to_numpy()))
        return np.column_stack([1 - second, second])

    def predict(self, x):
        return self.classes_[(self.predict_proba(x)[:, 1] > 0.5).astype(int)]
"""

TRAIN = """
import joblib, numpy as np, pandas as pd
from steps import Rule
source = np.random.default_rng(0)
rows = pd.DataFrame({"age": source.normal(40, 9, 200), "plan": source.choice(["basic", "pro"], 200)})
joblib.dump(Rule().fit(rows, np.where(rows.age > 40, "yes", "no")), "rule_v1.0.joblib")
rows.to_parquet("rows.parquet")
"""

PORT = 18431
OLD = {"age": 70.5, "plan": "pro"}
YOUNG = {"age": 20.25, "plan": "basic"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a model of a custom class was trained, with the class's module in code/."""
    folder = tmp_path_factory.mktemp("rule")
    (folder / "code").mkdir()
    (folder / "code" / "steps.py").write_text(STEPS)
    environment = {"PYTHONPATH": str(folder / "code"), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", TRAIN], cwd=folder, check=True, env=environment, timeout=120)
    return folder


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    (folder / "mldeploy.toml").write_text('backend = "auto"\n')
    command = ("package", "rule_v1.0.joblib", "--sample", "rows.parquet", "--code", "code", "--no-image", "--json")
    return read_bundle(folder / mldeploy(folder, *command).outcome["bundle"])


@pytest.fixture(scope="module")
def image(bundle: Bundle) -> Iterator[Image]:
    built = build_image(bundle, ImageConfig(base=rig.python()))
    yield built
    connect().images.remove(built.id, force=True)


def answers(url: str) -> list[dict[str, Any]]:
    answered = httpx.post(f"{url}/predict", json={"instances": [OLD, YOUNG]}, timeout=30)
    assert answered.status_code == 200, answered.text
    predictions: list[dict[str, Any]] = answered.json()["predictions"]
    return predictions


def originals(folder: Path) -> list[float]:
    """The original's own probability of `yes` for both rows."""
    code = (
        "import joblib, pandas as pd, sys; model = joblib.load('rule_v1.0.joblib');"
        f"print(model.predict_proba(pd.DataFrame([{OLD}, {YOUNG}]))[:, 1].tolist())"
    )
    environment = {"PYTHONPATH": str(folder / "code"), "PATH": "/usr/bin:/bin"}
    said = subprocess.check_output([sys.executable, "-c", code], cwd=folder, env=environment, text=True, timeout=120)
    values: list[float] = json.loads(said)
    return values


def refusals(url: str) -> list[int]:
    """The statuses for rows that the original refuses: by the contract, and by a rule of its own."""
    rows = ({"age": None, "plan": "pro"}, {"age": 1e7, "plan": "pro"})
    return [httpx.post(f"{url}/predict", json={"instances": [row]}, timeout=30).status_code for row in rows]


def test_a_custom_class_is_packaged_with_its_code_and_its_locked_packages(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert (manifest.backend, manifest.proof.holds, manifest.proof.onnxruntime) == ("native", True, None)
    assert not next(field for field in manifest.inputs if field.name == "age").nullable
    held = set(bundle.served_files())
    assert {"native/rule_v1.0.joblib", "native/code/steps.py", "native/requirements.lock"} <= held
    assert "model.onnx" not in held
    lock = (bundle.path / "native" / "requirements.lock").read_text()
    assert "scikit-learn==" in lock
    assert "--hash=sha256:" in lock
    assert "onnx" not in lock
    report = json.loads((bundle.path / "report" / "report.json").read_text())
    assert any("where ONNX needs" in note for note in report["notes"])
    assert report["attempts"][-1]["rung"] == "native"


def test_the_image_answers_as_the_original_and_refuses_what_it_refuses(image: Image, folder: Path) -> None:
    assert image.golden_rows
    container = connect().containers.run(
        image.id,
        detach=True,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        tmpfs={"/run/mldeploy": "uid=10001,gid=10001,mode=700", "/tmp": "mode=1777"},
        ports={"8080/tcp": ("127.0.0.1", PORT)},
    )
    try:
        code, said = container.exec_run(["python3", "-m", "mldeploy_runtime.control", "wait-ready", "--timeout", "60"])
        assert code == 0, said
        url = f"http://127.0.0.1:{PORT}"
        old, young = answers(url)
        assert (old["label"], young["label"]) == ("yes", "no")
        expected = originals(folder)
        assert [each["probabilities"]["yes"] for each in (old, young)] == pytest.approx(expected, rel=1e-12)
        assert refusals(url) == [422, 422]
        held = container.exec_run(["python3", "-c", "import os; print(os.getuid())"]).output
        assert held == b"10001\n"
    finally:
        container.remove(force=True)


def test_it_is_served_without_docker_alike(bundle: Bundle, folder: Path) -> None:
    with serving(bundle, "127.0.0.1", PORT):
        old, young = answers(f"http://127.0.0.1:{PORT}")
        assert [each["probabilities"]["yes"] for each in (old, young)] == pytest.approx(originals(folder), rel=1e-12)
        assert refusals(f"http://127.0.0.1:{PORT}") == [422, 422]


def test_rows_of_a_file_are_scored_by_the_original(bundle: Bundle, folder: Path) -> None:
    scored = mldeploy(folder, "score", str(bundle.path), "rows.parquet", "--out", "scored.csv")
    assert scored.exit_code == 0, scored.stderr
    with (folder / "scored.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 200
    assert all(row["label"] == ("yes" if float(row["probability:yes"]) > 0.5 else "no") for row in rows)


def test_a_bundle_whose_original_was_changed_is_not_served(bundle: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / bundle.path.name
    shutil.copytree(bundle.path, copy)
    with (copy / "native" / "rule_v1.0.joblib").open("ab") as file:
        file.write(b"x")
    with pytest.raises(MldeployError, match=r"ready|ended"), serving(read_bundle(copy), "127.0.0.1", PORT):
        pass


def test_a_linear_model_may_be_served_natively_on_request(tmp_path: Path) -> None:
    joblib.dump(LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]), tmp_path / "line.joblib")
    packaged = package_model(tmp_path / "line.joblib", backend="native", into=tmp_path / "build")
    report = json.loads((packaged.path / "report" / "report.json").read_text())
    assert packaged.manifest.backend == "native"
    assert [attempt["rung"] for attempt in report["attempts"]] == ["native"]
    assert report["latency"][0]["converted_ms"] is None


def test_a_base_image_of_another_python_is_named(bundle: Bundle) -> None:
    manifest = bundle.manifest.model_copy(
        update={"native": bundle.manifest.native and bundle.manifest.native.model_copy(update={"python": "3.11"})}
    )
    other = type(bundle)(bundle.path, manifest, bundle.golden)
    with pytest.raises(MldeployError) as failure:
        build_image(other, ImageConfig(base="127.0.0.1:9/python:3.13-slim"))
    assert "127.0.0.1:9/python:3.11-slim" in failure.value.message
