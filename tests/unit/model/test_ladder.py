"""The ladder: the first rung that is proven is taken, and a rung that is not says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from mldeploy.errors import ExitCode, MldeployError
from mldeploy.model.child.emit import NotEmitted, write_model
from mldeploy.model.child.kinds import Kind
from mldeploy.model.child.session import Session
from mldeploy.model.ladder import climb
from mldeploy.model.original import Original
from mldeploy.model.probes import proof_rows
from mldeploy.model.signature import ask_what_is_refused, infer_fields
from tests.zoo.judge import asking

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = [{"name": f"x{place}", "dtype": "float", "missing_is_none": False, "categories": None} for place in range(3)]
NUMBERS = np.random.default_rng(0).normal(size=(80, 3))


class Contrary(LogisticRegression):  # type: ignore[misc]
    """A subclass that answers otherwise than its parent."""

    def predict(self, x: Any) -> Any:
        return ~super().predict(x)


class Foreign(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def predict(self, x: Any) -> Any:
        return x[:, 0] > 0


def climbed(model: Any, rungs: tuple[str, ...], folder: Path) -> Any:
    path = folder / "model.joblib"
    joblib.dump(model, path)
    original = Original(path, asking(Session()), folder)
    fields, _ = infer_fields(original.open(), None)
    fields = ask_what_is_refused(original, fields, None)
    rows = proof_rows(fields, None)
    return climb(original, fields, rows, original.answer([field.type() for field in fields], rows), 1e-5, rungs)


def test_a_converter_that_is_proven_is_taken(tmp_path: Path) -> None:
    model = LogisticRegression().fit(NUMBERS, NUMBERS[:, 0] > 0)
    model.classes_ = np.array(["no", "yes"])
    proven, attempts = climbed(model, ("skl2onnx-float64",), tmp_path)
    assert proven.comparison.proof.holds
    assert proven.precision.dtype == "float64"
    assert [attempt.rung for attempt in attempts] == ["skl2onnx-float64"]


def test_the_exact_rung_comes_first_and_is_float64(tmp_path: Path) -> None:
    proven, attempts = climbed(
        LogisticRegression().fit(NUMBERS, NUMBERS[:, 0] > 0), ("exact", "skl2onnx-float64"), tmp_path
    )
    assert [attempt.rung for attempt in attempts] == ["exact"]
    assert proven.precision.dtype == "float64"
    assert "exact" in proven.precision.reason


def test_a_subclass_is_not_written_as_its_parent() -> None:
    model = Contrary().fit(NUMBERS, NUMBERS[:, 0] > 0)
    with pytest.raises(NotEmitted, match="Contrary"):
        write_model(model, FIELDS, Kind("classifier"))


def test_an_estimator_that_nothing_knows_is_named() -> None:
    with pytest.raises(NotEmitted, match="Foreign"):
        write_model(Foreign(), FIELDS, Kind("classifier"))


@pytest.mark.filterwarnings("ignore")
def test_a_setting_that_is_not_written_is_named(tmp_path: Path) -> None:
    model = DummyClassifier(strategy="stratified", random_state=0).fit(NUMBERS, NUMBERS[:, 0] > 0)
    with pytest.raises(MldeployError) as caught:
        climbed(model, ("exact",), tmp_path)
    assert caught.value.exit_code == ExitCode.FAILED
    assert "DummyClassifier with strategy='stratified' has no exact emitter" in caught.value.cause
