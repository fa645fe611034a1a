"""Float32 is taken where it is as right by a wide margin and faster, and nowhere else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import mldeploy.model.single
from mldeploy.errors import MldeployError
from mldeploy.model.original import Original
from mldeploy.model.package import package_model
from mldeploy.model.parity import prove
from mldeploy.model.single import RUNG

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mldeploy.bundle import Bundle

pytestmark = pytest.mark.usefixtures("in_process")

X = pd.DataFrame(np.random.default_rng(4).normal(size=(80, 3)), columns=["a", "b", "c"])
Y = (X["a"] > 0).astype(int)
SMOOTH = make_pipeline(StandardScaler(), LogisticRegression())


@pytest.fixture
def packed(save: Callable[..., Path], tmp_path: Path) -> Callable[..., tuple[Bundle, dict[str, Any]]]:
    """Package a model; its bundle and its report."""

    def package(model: Any, target: Any = Y, **options: Any) -> tuple[Bundle, dict[str, Any]]:
        bundle = package_model(save(model.fit(X, target)), into=tmp_path / "build", **options)
        return bundle, json.loads((bundle.path / "report" / "report.json").read_text())

    return package


@pytest.fixture
def faster(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Say how many times as fast float32 is measured to be."""
    return lambda times: monkeypatch.setattr(mldeploy.model.single, "_speedup", lambda *_: times)


def outcome(report: dict[str, Any]) -> str:
    return next(str(attempt["outcome"]) for attempt in report["attempts"] if attempt["rung"] == RUNG)


def test_a_smooth_model_that_is_faster_is_served_in_float32(packed: Any, faster: Any) -> None:
    faster(1.5)
    bundle, report = packed(SMOOTH)
    assert bundle.manifest.precision.dtype == "float32"
    assert {tensor.dtype for tensor in bundle.manifest.graph.tensors} == {"float32"}
    assert bundle.manifest.proof.holds
    assert report["taken"] == RUNG
    assert "1.5 times as fast as exact" in outcome(report)


def test_one_that_is_not_faster_stays_exact(packed: Any, faster: Any) -> None:
    faster(1.05)
    bundle, report = packed(SMOOTH)
    assert bundle.manifest.precision.dtype == "float64"
    assert report["taken"] == "exact"
    assert "only 1.1 times as fast" in outcome(report) or "only 1 times as fast" in outcome(report)


def test_float32_can_be_left_out(packed: Any, faster: Any) -> None:
    faster(1.5)
    bundle, report = packed(SMOOTH, precision="float64")
    assert bundle.manifest.precision.dtype == "float64"
    assert [attempt["rung"] for attempt in report["attempts"]] == ["exact"]


def test_trees_stay_exact_untried(packed: Any, faster: Any) -> None:
    faster(9.0)
    bundle, report = packed(DecisionTreeClassifier(max_depth=3))
    assert bundle.manifest.precision.dtype == "float64"
    assert outcome(report).startswith("not tried")


def test_a_proof_that_holds_without_a_margin_is_not_enough(packed: Any, faster: Any) -> None:
    faster(9.0)
    bundle, report = packed(SMOOTH, tolerance=1e-6)
    assert "over the tolerance divided by 10" in outcome(report)
    assert bundle.manifest.precision.dtype == "float64"


def test_rows_that_the_proof_did_not_see_confirm_it_or_it_is_not_taken(
    packed: Any, faster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    faster(9.0)
    calls: list[Any] = []

    def wrong_the_second_time(rows: Any, answers: Any, converter: Any, tolerance: float) -> Any:
        calls.append(rows)
        return prove(rows, answers, converter, 0.0 if len(calls) > 1 else tolerance)

    monkeypatch.setattr(mldeploy.model.single, "prove", wrong_the_second_time)
    bundle, report = packed(SMOOTH)
    assert calls[0].columns["a"][:100] != calls[1].columns["a"][:100]
    assert "other rows its largest error" in outcome(report)
    assert bundle.manifest.precision.dtype == "float64"


def test_a_process_that_dies_in_trying_loses_nothing(packed: Any, faster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    faster(9.0)

    convert = Original.convert

    def dying(self: Original, rung: str, types: Any) -> Any:
        if rung == RUNG:
            raise MldeployError("the model's process was killed")
        return convert(self, rung, types)

    monkeypatch.setattr(Original, "convert", dying)
    bundle, report = packed(SMOOTH)
    assert "process was killed" in outcome(report)
    assert bundle.manifest.precision.dtype == "float64"
    assert len(report["latency"]) == 3


def test_the_profile_is_of_one_row_of_a_hundred_and_of_ten_thousand(packed: Any) -> None:
    _, report = packed(SMOOTH)
    assert [each["rows"] for each in report["latency"]] == [1, 100, 10_000]
    assert all(each["original_ms"] > 0 and each["converted_ms"] > 0 for each in report["latency"])
