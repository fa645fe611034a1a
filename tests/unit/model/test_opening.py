"""Files that cannot be used end in one clear error each, whatever they do when opened."""

from __future__ import annotations

import importlib
import json
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.cluster import DBSCAN
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler

from mldeploy.errors import MldeployError, UsageError
from mldeploy.model.child.session import Session
from mldeploy.model.names import PACKAGES, STANDARD
from mldeploy.model.original import Original
from mldeploy.model.package import package_model
from mldeploy.model.process import Child

if TYPE_CHECKING:
    from collections.abc import Callable

    Save = Callable[..., Path]


CUSTOM = """
from sklearn.base import BaseEstimator, RegressorMixin
class Constant(RegressorMixin, BaseEstimator):
    def fit(self, x, y):
        self.n_features_in_ = len(x[0])
        return self
    def predict(self, x):
        return [7.0] * len(x)
"""


def opened(path: Path, **more: Any) -> dict[str, Any]:
    """What the child's own code answers, in this process."""
    return Session().handle(request(path) | more)


def request(path: Path) -> dict[str, Any]:
    packages = sorted({*PACKAGES, "builtins", "os", "time"})
    return {"do": "open", "path": str(path), "packages": packages, "names": sorted({*STANDARD, "os.abort"})}


def asked(
    path: Path, python: str = sys.executable, time_limit_s: float = 60, memory_limit: int | None = None, **more: Any
) -> MldeployError:
    """How the child process fails to open a file."""
    with pytest.raises(MldeployError) as caught, Child(path, Path(python), time_limit_s, memory_limit) as child:
        child.ask(**request(path) | more)
    return caught.value


def test_text_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "notes.joblib"
    path.write_text("hello")
    assert opened(path)["unusable"] == "notes.joblib cannot be read as a model"


def test_a_file_cut_short_is_no_model(save: Save, churn: Any) -> None:
    path = save(churn)
    path.write_bytes(path.read_bytes()[:2000])
    assert "complete" in opened(path)["remedy"]


def test_something_else_than_a_model_is_named(save: Save) -> None:
    assert "builtins.dict" in opened(save({"accuracy": 0.9}))["cause"]


def test_a_model_that_answers_no_new_rows_is_named(save: Save) -> None:
    refusal = opened(save(DBSCAN().fit([[1.0], [2.0]])))
    assert "answers no new rows" in refusal["unusable"]
    assert "DBSCAN" in refusal["cause"]


def test_the_one_model_among_things_saved_together_is_found(save: Save, churn: Any) -> None:
    assert opened(save({"model": churn, "features": ["a"], "note": None}))["estimator"].startswith("Pipeline")
    assert opened(save(("v1", churn)))["estimator"].startswith("Pipeline")
    assert opened(save({"scaler": StandardScaler().fit([[1.0]]), "model": churn}))["estimator"].startswith("Pipeline")


def test_one_of_several_models_is_selected_by_its_name(save: Save, churn: Any) -> None:
    path = save({"old": LogisticRegression().fit([[0.0], [1.0]], [0, 1]), "new": churn})
    refusal = opened(path)
    assert "2 models" in refusal["unusable"]
    assert "old, new" in refusal["cause"]
    assert "--select old" in refusal["remedy"]
    assert "Pipeline" in opened(path, select="new")["estimator"]
    assert "LogisticRegression" in opened(path, select="old")["estimator"]
    assert "old, new" in opened(path, select="newest")["cause"]
    assert "Leave --select out" in opened(save(churn), select="new")["remedy"]


def test_names_saved_beside_a_model_without_names_are_its_fields(save: Save) -> None:
    model = LogisticRegression().fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    described = opened(save({"model": model, "features": ["a b", "c"], "classes": ["no", "maybe", "yes"]}))
    assert [field["name"] for field in described["fields"]] == ["a b", "c"]
    ambiguous = opened(save({"model": model, "features": ["a", "b"], "labels": ["no", "yes"]}))
    assert not ambiguous["named"]


def test_modules_of_a_folder_are_found_by_the_file_that_needs_them(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "churn_steps.py").write_text(CUSTOM)
    sys.path.insert(0, str(tmp_path / "code"))
    try:
        joblib.dump(importlib.import_module("churn_steps").Constant().fit([[1.0]], [1]), tmp_path / "model.joblib")
    finally:
        sys.path.remove(str(tmp_path / "code"))
        del sys.modules["churn_steps"]
    packages = [*PACKAGES, "churn_steps"]
    lacking = asked(tmp_path / "model.joblib", packages=packages)
    assert "churn_steps" in lacking.message
    assert "--code DIR" in lacking.remedy
    with Child(tmp_path / "model.joblib", Path(sys.executable), 60) as child:
        request_ = request(tmp_path / "model.joblib") | {"packages": packages, "code": str(tmp_path / "code")}
        assert child.ask(**request_)["estimator"] == "Constant"


def test_an_unfitted_model_is_named(save: Save) -> None:
    refusal = opened(save(LogisticRegression()))
    assert "not fitted" in refusal["unusable"]
    assert "fit()" in refusal["remedy"]


def test_a_crash_when_opening_is_told_by_its_signal(tmp_path: Path) -> None:
    path = tmp_path / "crash.joblib"
    path.write_bytes(b"cos\nabort\n(tR.")
    assert "SIGABRT" in asked(path).message


def test_a_hang_when_opening_ends_at_the_time_limit(tmp_path: Path) -> None:
    path = tmp_path / "hang.joblib"
    path.write_bytes(b"ctime\nsleep\n(I3600\ntR.")
    error = asked(path, time_limit_s=3)
    assert "within 3 s" in error.message
    assert "--time-limit" in error.remedy


def test_a_process_that_hangs_gives_way_to_another(save: Save, churn: Any, tmp_path: Path) -> None:
    hang = tmp_path / "hang.joblib"
    hang.write_bytes(b"ctime\nsleep\n(I3600\ntR.")
    with Child(hang, Path(sys.executable), 10) as child:
        child.ask(do="packages")
        child._time_limit_s = 0.1
        with pytest.raises(MldeployError, match="within"):
            child.ask(**request(hang))
        child._time_limit_s = 60
        child.restart()
        assert child.ask(**request(save(churn)))["estimator"].startswith("Pipeline")


def test_a_converter_that_crashes_the_process_is_one_that_failed(
    save: Save, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    crash = tmp_path / "crash.joblib"
    crash.write_bytes(b"cos\nabort\n(tR.")
    convert = Original.convert

    def crashing(self: Original, rung: str, types: Any) -> Any:
        if rung == "exact":
            self.ask(do="open", path=str(crash), packages=["os"], names=["os.abort"])
        return convert(self, rung, types)

    monkeypatch.setattr(Original, "convert", crashing)
    model = LinearRegression().fit(np.arange(8.0).reshape(4, 2), [1.0, 2.0, 0.0, 4.0])
    bundle = package_model(save(model), into=tmp_path / "build", precision="float64")
    report = json.loads((bundle.path / "report" / "report.json").read_text())
    assert [each["rung"] for each in report["attempts"]] == ["exact", "skl2onnx-float64"]
    assert "SIGABRT" in report["attempts"][0]["outcome"]


def test_a_model_that_needs_more_memory_than_allowed_says_so(tmp_path: Path) -> None:
    path = tmp_path / "huge.joblib"
    path.write_bytes(b"cbuiltins\nbytearray\n(I8000000000\ntR.")
    error = asked(path, memory_limit=2 << 30)
    assert "more than 2 GB of memory" in error.message
    assert "--memory-limit" in error.remedy


def test_a_model_that_opens_files_without_end_says_so(tmp_path: Path) -> None:
    path = tmp_path / "files.joblib"
    path.write_bytes(b"(l" + b"cbuiltins\nopen\n(S'/dev/null'\ntRa" * 300 + b".")
    error = asked(path, packages=["builtins", "io", "_io"])
    assert "more than 256 open files" in error.message


def test_a_python_that_is_not_there(save: Save) -> None:
    error = asked(save(LogisticRegression()), python="/nowhere/python")
    assert isinstance(error, UsageError)
    assert "/nowhere/python" in error.message


def test_a_model_of_another_scikit_learn_is_not_waved_through(churn: Any, tmp_path: Path) -> None:
    path = tmp_path / "old.joblib"
    content = pickle.dumps(churn)
    version = sklearn.__version__.encode()
    path.write_bytes(content.replace(b"\x8c" + bytes([len(version)]) + version, b"\x8c\x05" + b"1.5.2"))
    with pytest.raises(UsageError) as refusal:
        package_model(path, python=Path(sys.executable), into=tmp_path / "build")
    assert "scikit-learn 1.5.2" in refusal.value.message
    assert sklearn.__version__ in refusal.value.message
    assert "--python" in refusal.value.remedy


def test_what_the_model_prints_does_not_disturb_the_answers(tmp_path: Path) -> None:
    class Loud:
        def __reduce__(self) -> tuple[Any, ...]:
            return print, ("hello from the model",)

    path = tmp_path / "loud.joblib"
    joblib.dump([Loud()], path)
    assert "builtins.list" in asked(path).cause


def test_every_compression_of_joblib_opens(churn: Any, tmp_path: Path) -> None:
    for suffix in ("gz", "z", "bz2", "xz"):
        path = tmp_path / f"churn.joblib.{suffix}"
        joblib.dump(churn, path)
        assert opened(path)["estimator"].startswith("Pipeline")


def test_a_classifier_without_classes_says_how_to_have_them(save: Save) -> None:
    model = LogisticRegression().fit([[1.0], [2.0]], [0, 1])
    del model.classes_
    refusal = opened(save(model))
    assert "does not say its classes" in refusal["unusable"]
    assert "classes_" in refusal["remedy"]
