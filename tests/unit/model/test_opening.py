"""Files that cannot be used end in one clear error each, whatever they do when opened."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import pytest
import sklearn
from sklearn.cluster import DBSCAN
from sklearn.linear_model import LogisticRegression

from mldeploy.errors import MldeployError, UsageError
from mldeploy.model.child.session import Session
from mldeploy.model.process import Child
from mldeploy.model.scan import PACKAGES, STANDARD

if TYPE_CHECKING:
    from collections.abc import Callable

    Save = Callable[..., Path]


def opened(path: Path) -> dict[str, Any]:
    """What the child's own code answers, in this process."""
    return Session().handle(request(path))


def request(path: Path) -> dict[str, Any]:
    packages = sorted({*PACKAGES, "builtins", "os", "time"})
    return {"do": "open", "path": str(path), "packages": packages, "names": sorted({*STANDARD, "os.abort"})}


def asked(path: Path, python: str = sys.executable, time_limit_s: float = 60) -> MldeployError:
    """How the child process fails to open a file."""
    with pytest.raises(MldeployError) as caught, Child(path, Path(python), time_limit_s) as child:
        child.ask(**request(path))
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
    refusal = opened(save({"old": churn, "new": churn}))
    assert "2 models" in refusal["unusable"]
    assert "old, new" in refusal["cause"]


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


def test_a_python_that_is_not_there(save: Save) -> None:
    error = asked(save(LogisticRegression()), python="/nowhere/python")
    assert isinstance(error, UsageError)
    assert "/nowhere/python" in error.message


def test_a_model_of_another_scikit_learn_is_not_waved_through(churn: Any, tmp_path: Path) -> None:
    path = tmp_path / "old.joblib"
    content = pickle.dumps(churn)
    version = sklearn.__version__.encode()
    path.write_bytes(content.replace(b"\x8c" + bytes([len(version)]) + version, b"\x8c\x05" + b"1.5.2"))
    refusal = opened(path)
    assert "scikit-learn 1.5.2" in refusal["unusable"]
    assert "--python" in refusal["remedy"]


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
