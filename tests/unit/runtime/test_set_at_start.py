"""What the host sets when it starts the server: threshold and labels; and unseen categories that are told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mldeploy.bundle import Golden, Input
from mldeploy_runtime.bundle import BundleError
from mldeploy_runtime.settings import read_settings
from tests.unit.runtime.bundles import mixed_bundle, mixed_probability, numeric_bundle, regressor_bundle
from tests.unit.runtime.inprocess import InProcess

ROW: dict[str, Any] = {"age": 42.0, "plan": "pro", "member": True}


def ask(app: InProcess, *rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = app.ask(body=json.dumps({"instances": rows, **more}).encode()).json()
    return answer


def warning_bundle(into: Path) -> Path:
    inputs = (
        Input(name="age", dtype="float", nullable=True),
        Input(name="plan", dtype="string", nullable=True, categories=("free", "pro"), unknown="warn"),
        Input(name="member", dtype="bool", nullable=False),
    )
    return mixed_bundle(into, inputs=inputs)


def test_the_threshold_that_is_set_holds_where_the_request_brings_none() -> None:
    app = InProcess(mixed_bundle, threshold=0.99)
    assert app.service.ready, "the golden rows are compared under the model's own rule"
    assert mixed_probability(ROW) < 0.99
    assert ask(app, ROW)["predictions"][0]["label"] == "no"
    assert ask(app, ROW, threshold=0.5)["predictions"][0]["label"] == "yes"
    assert app.ask("/model", method="GET").json()["threshold"] == 0.99


@pytest.mark.parametrize("labels", [("stays", "leaves"), {"yes": "leaves", "no": "stays"}])
def test_the_business_labels_that_are_set_are_answered(labels: Any) -> None:
    app = InProcess(mixed_bundle, labels=labels)
    assert ask(app, ROW)["predictions"][0]["business_label"] == "leaves"


@pytest.mark.parametrize(
    ("bundle", "settings", "words"),
    [
        (regressor_bundle, {"threshold": 0.5}, "threshold"),
        (numeric_bundle, {"labels": ("one",)}, "labels"),
        (numeric_bundle, {"labels": {"0": "a", "2": "b"}}, "labels"),
        (regressor_bundle, {"labels": ("a", "b")}, "labels"),
    ],
)
def test_what_does_not_fit_the_model_is_an_error(bundle: Any, settings: Any, words: str) -> None:
    with pytest.raises(BundleError, match=words):
        InProcess(bundle, **settings)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "THRESHOLD": "0.3", "LABELS": '{"0": "a", "1": "b"}', "FALLBACK": "prior", "WORKERS": "3",
        "PREDICTION_LOG": "/data/predictions", "PREDICTION_LOG_OMIT": "name, email", "PREDICTION_LOG_SAMPLE": "0.1",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"MLDEPLOY_{name}", value)
    settings = read_settings([])
    assert (settings.threshold, settings.labels, settings.fallback) == (0.3, {"0": "a", "1": "b"}, "prior")
    assert (settings.workers, settings.prediction_log.folder) == (3, Path("/data/predictions"))
    assert settings.prediction_log == replace(
        settings.prediction_log, omit=frozenset({"name", "email"}), sample=0.1, max_bytes=2**30
    )


@pytest.mark.parametrize(
    "arguments",
    [("--threshold", "1.5"), ("--labels", "a,b"), ("--workers", "0"), ("--workers", "many"),
     ("--prediction-log-sample", "2"), ("--prediction-log-max-bytes", "1k")],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_refused(arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_settings([*arguments])
    assert arguments[1] in capsys.readouterr().err


def test_an_unseen_category_is_answered_and_told_where_the_manifest_says_so() -> None:
    app = InProcess(warning_bundle)
    rows = [ROW, ROW | {"plan": "gold"}, ROW | {"plan": None}]
    answer = ask(app, *rows)
    assert answer["warnings"] == [
        {"row": 1, "field": "plan", "got": '"gold"', "expected": "a category seen in training"}
    ]
    assert [row["probabilities"]["yes"] for row in answer["predictions"]] == pytest.approx(
        [mixed_probability(row) for row in rows], abs=1e-6
    )
    assert "warnings" not in ask(app, ROW)
    table = app.ask(body=b"age,plan,member\n42.0,gold,true\n", headers={"Content-Type": "text/csv"})
    assert (table.status, table.header("x-unseen-categories")) == (200, "1")
    lines = app.ask("/metrics", method="GET").body.decode().splitlines()
    assert 'mldeploy_unknown_categories_total{field="plan"} 2.0' in lines


def test_what_an_unseen_category_means_can_be_set_where_the_encoder_takes_one() -> None:
    def bundle(into: Path) -> Path:
        rows = [ROW | {"plan": "gold"}]
        probability = mixed_probability(rows[0])
        probabilities = {"no": 1 - probability, "yes": probability}
        answer = {"label": "yes", "probability": probability, "probabilities": probabilities}
        return mixed_bundle(into, golden=Golden(rows, [answer], 1e-5))

    strict = InProcess(bundle, unknown="reject")
    assert strict.service.ready, "the golden rows are what the bundle says, not what is set"
    assert strict.ask(body=json.dumps({"instances": [ROW | {"plan": "gold"}]}).encode()).status == 422
    assert len(ask(InProcess(bundle, unknown="warn"), ROW | {"plan": "gold"})["warnings"]) == 1
