"""When the model itself fails: row by row, and again and again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mldeploy_runtime.bundle import BundleError, read_baseline, read_manifest
from mldeploy_runtime.fallback import fallback_of
from tests.unit.runtime.bundles import brittle_bundle, regressor_bundle, sigmoid
from tests.unit.runtime.inprocess import InProcess

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.runtime.inprocess import Answer

FAILING = 77


def ask(app: InProcess, *positions: int) -> Answer:
    body = json.dumps({"instances": [{"position": position} for position in positions]}).encode()
    return app.ask(body=body, headers={"X-Request-ID": "order-7"})


def metric(app: InProcess, line: str) -> bool:
    return line in app.ask("/metrics", method="GET").body.decode().splitlines()


def test_a_row_that_the_model_fails_on_says_so_and_the_others_are_answered() -> None:
    app = InProcess(brittle_bundle)
    answer = ask(app, 0, FAILING, 2)
    first, failed, last = answer.json()["predictions"]
    assert answer.status == 200
    assert [row["probabilities"]["1"] for row in (first, last)] == pytest.approx([sigmoid(-1.0), sigmoid(2.0)])
    assert failed == {"error": {"type": "/docs#model-failed", "title": "The model failed", "request_id": "order-7"}}
    assert metric(app, "mldeploy_rows_total 2.0")
    assert metric(app, "mldeploy_failed_rows_total 1.0")


def test_a_request_of_which_no_row_is_answered_is_a_problem() -> None:
    answer = ask(InProcess(brittle_bundle), FAILING, FAILING)
    assert (answer.status, answer.json()["type"]) == (500, "/docs#model-failed")
    assert b"Gather" not in answer.body


def test_forms_that_have_no_word_for_a_failed_row_are_a_problem_as_a_whole() -> None:
    app = InProcess(brittle_bundle)
    tensors = {"inputs": [{"name": "position", "shape": [2], "datatype": "INT64", "data": [1, FAILING]}]}
    v2 = app.ask("/v2/models/brittle/infer", json.dumps(tensors).encode())
    table = app.ask(body=b"position\n1\n77\n", headers={"Content-Type": "text/csv"})
    assert (v2.status, table.status) == (500, 500)


def test_repeated_failure_opens_the_circuit_and_the_fallback_answers_until_the_model_does_again() -> None:
    app = InProcess(brittle_bundle, circuit_failures=2, circuit_seconds=0.0, fallback="prior")
    circuit = app.service.container.circuit
    assert [ask(app, FAILING).status for _ in range(2)] == [500, 500]
    assert circuit.is_open
    circuit._seconds = 1000.0
    assert ask(app, FAILING).status == 500, "the first after the time is up tries the model"
    answer = ask(app, 0, 2)
    [prediction, _] = answer.json()["predictions"]
    assert answer.json()["fallback"] is True
    assert prediction == {"label": 1, "probability": 0.75, "probabilities": {"0": 0.25, "1": 0.75}}
    ready = app.ask("/ready", method="GET")
    assert (ready.status, ready.json()["degraded"]) == (200, True)
    assert metric(app, "mldeploy_circuit_open 1.0")
    assert metric(app, "mldeploy_fallback_rows_total 2.0")
    table = app.ask(body=b"position\n1\n", headers={"Content-Type": "text/csv"})
    assert (table.status, table.header("x-fallback")) == (200, "true")
    circuit._numbers[1] = 1e-9  # its time is up
    assert "fallback" not in ask(app, 1).json()
    assert app.ask("/ready", method="GET").json()["degraded"] is False


def test_without_a_fallback_an_open_circuit_refuses() -> None:
    app = InProcess(brittle_bundle, circuit_failures=1, circuit_seconds=100.0)
    ask(app, FAILING)
    answer = ask(app, 0)
    assert (answer.status, answer.json()["type"]) == (503, "/docs#circuit-open")
    assert 90 < int(answer.header("retry-after") or 0) <= 100


@pytest.mark.parametrize(
    ("bundle", "setting", "raw"),
    [
        (brittle_bundle, "none", None),
        (brittle_bundle, "0", (0, [1.0, 0.0])),
        (brittle_bundle, "prior", (1, [0.25, 0.75])),
        (regressor_bundle, "12", (12.0,)),
    ],
)
def test_a_fallback_is_none_a_constant_or_the_prior(tmp_path: Path, bundle: Any, setting: str, raw: Any) -> None:
    folder = bundle(tmp_path)
    assert fallback_of(read_manifest(folder), read_baseline(folder), setting) == raw


@pytest.mark.parametrize(
    ("bundle", "setting", "words"),
    [
        (brittle_bundle, "2", "none of the classes"),
        (brittle_bundle, "true", "none of the classes"),
        (brittle_bundle, "yes", "neither none, prior nor a constant"),
        (regressor_bundle, '"a"', "no number"),
        (regressor_bundle, "prior", "knows no prior"),
    ],
)
def test_a_fallback_that_the_model_cannot_have_is_an_error(
    tmp_path: Path, bundle: Any, setting: str, words: str
) -> None:
    folder = bundle(tmp_path)
    with pytest.raises(BundleError, match=words):
        fallback_of(read_manifest(folder), read_baseline(folder), setting)
