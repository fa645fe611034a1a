"""The server as its clients meet it: a real process, real sockets."""

from __future__ import annotations

import json
import math
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.runtime.bundles import (
    Row,
    mixed_bundle,
    mixed_probability,
    numeric_bundle,
    numeric_probability,
    regressor_bundle,
)
from tests.unit.runtime.server import Server, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NUMERIC: Row = {"height": 1.0, "weight": 0.5, "visits": 2}
MIXED: Row = {"age": 42.0, "plan": "pro", "member": True}


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits for no more than a fifth of a second."""
    folder = tmp_path_factory.mktemp("hasty")
    with started(numeric_bundle(folder), folder, MLDEPLOY_RECEIVE_SECONDS="0.2") as server:
        yield server


def predictions(server: Server, **body: Any) -> list[dict[str, Any]]:
    response = server.client.post("/predict", json=body)
    assert response.status_code == 200, response.text
    answered: list[dict[str, Any]] = response.json()["predictions"]
    return answered


def head(body: bytes, *headers: str, method: str = "POST", path: str = "/predict", length: int | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: test", "Connection: close", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body) if length is None else length}", "", ""]).encode() + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_a_classifier_answers_label_and_probabilities(numeric: Server) -> None:
    response = numeric.client.post("/predict", json={"instances": [NUMERIC]})
    second = numeric_probability(NUMERIC)
    answered = response.json()
    assert (answered["model"], answered["version"]) == ("numeric", "1.2.3")
    assert answered["request_id"] == response.headers["x-request-id"]
    [prediction] = answered["predictions"]
    assert (prediction["label"], prediction["business_label"]) == (1, "leaves")
    assert prediction["probability"] == prediction["probabilities"]["1"] == pytest.approx(second, abs=1e-12)
    assert prediction["probabilities"]["0"] == pytest.approx(1 - second, abs=1e-12)


def test_missing_values_and_unseen_categories_reach_the_model(mixed: Server) -> None:
    rows: list[Row] = [MIXED, MIXED | {"age": None}, MIXED | {"plan": None}, MIXED | {"plan": "gold"}]
    answered = [prediction["probabilities"]["yes"] for prediction in predictions(mixed, instances=rows)]
    assert answered == pytest.approx([mixed_probability(row) for row in rows], abs=1e-7)


def test_columns_answer_as_instances_do(mixed: Server) -> None:
    rows = [MIXED, MIXED | {"age": None, "plan": "free"}]
    columns = {name: [row[name] for row in rows] for name in MIXED}
    assert predictions(mixed, columns=columns) == predictions(mixed, instances=rows)


def test_a_request_may_set_the_threshold(mixed: Server) -> None:
    second = mixed_probability(MIXED)
    [lenient] = predictions(mixed, instances=[MIXED], threshold=0.1)
    [strict] = predictions(mixed, instances=[MIXED], threshold=0.99)
    assert (lenient["label"], strict["label"]) == ("yes", "no")
    assert lenient["probability"] == pytest.approx(second, abs=1e-7)
    assert strict["probability"] == pytest.approx(1 - second, abs=1e-7)


def test_a_regressor_answers_values_and_null_for_what_is_no_number(regressor: Server) -> None:
    answered = predictions(regressor, instances=[{"a": 1.5, "b": 2.0}, {"a": 1.0, "b": -1.0}, {"a": 1.0, "b": 0.0}])
    assert answered[0]["value"] == pytest.approx(3.0 + math.log(2.0), abs=1e-6)
    assert [prediction["value"] for prediction in answered[1:]] == [None, None]


def test_ten_thousand_rows_are_answered_and_one_more_is_refused(numeric: Server) -> None:
    rows = [{"height": row / 1000, "weight": 0.0, "visits": 0} for row in range(10_000)]
    answered = predictions(numeric, instances=rows)
    assert [prediction["probabilities"]["1"] for prediction in answered] == pytest.approx(
        [numeric_probability(row) for row in rows], abs=1e-12
    )
    assert numeric.client.post("/predict", json={"instances": [*rows, NUMERIC]}).status_code == 413


def test_requests_that_share_a_run_get_their_own_answers(mixed: Server) -> None:
    rows = [MIXED | {"age": float(age)} for age in range(18, 90)]
    with ThreadPoolExecutor(16) as pool:
        answered = list(pool.map(lambda row: predictions(mixed, instances=[row])[0]["probabilities"]["yes"], rows))
    assert answered == pytest.approx([mixed_probability(row) for row in rows], abs=1e-7)


def test_bad_input_is_a_problem_with_one_entry_a_field(mixed: Server) -> None:
    response = mixed.client.post("/predict", json={"instances": [MIXED, MIXED | {"age": "old", "member": None}]})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem.pop("request_id") == response.headers["x-request-id"]
    assert problem == {
        "type": "/docs#invalid-input",
        "title": "The input does not fit the model",
        "status": 422,
        "detail": "2 things in the input did not fit.",
        "errors": [
            {"got": '"old"', "expected": "a number, or null", "row": 1, "field": "age"},
            {"got": "null", "expected": "true or false", "row": 1, "field": "member"},
        ],
    }


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], 200),
        (["Content-Type: application/json"], 200),
        (["Content-Type: Application/JSON; charset=UTF-8"], 200),
        (['Content-Type: application/json; charset="utf-8"'], 200),
        (["Content-Type: application/json; charset=latin-1"], 415),
        (["Content-Type: application/x-www-form-urlencoded"], 415),
        (["Content-Type: text/html"], 415),
        (["Content-Type: \xff"], 415),
        (["Content-Encoding: identity"], 200),
        (["Content-Encoding: br"], 415),
        (["Content-Encoding: gzip, gzip"], 415),
    ],
)
def test_a_body_is_of_a_type_and_an_encoding_that_are_taken(numeric: Server, headers: list[str], expected: int) -> None:
    answer = numeric.raw(head(json.dumps({"instances": [NUMERIC]}).encode(), *headers))
    assert status(answer) == expected


def test_a_body_may_come_in_chunks(numeric: Server) -> None:
    body = json.dumps({"instances": [NUMERIC]}).encode()
    response = numeric.client.post("/predict", content=iter([body[:10], body[10:25], body[25:]]))
    assert response.status_code == 200


def test_a_body_larger_than_the_limit_is_refused_told_or_not(tmp_path: Path) -> None:
    with started(numeric_bundle(tmp_path), tmp_path, MLDEPLOY_MAX_BODY="100") as server:
        told = server.raw(head(b"", length=101))
        untold = server.client.post("/predict", content=iter([b" " * 60, b" " * 60]))
        fits = server.client.post("/predict", content=iter([b" " * 50, b" " * 50]))
    assert (status(told), untold.status_code, fits.status_code) == (413, 413, 422)
    assert b"connection: close" in told


def test_a_body_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    with started(numeric_bundle(tmp_path), tmp_path, MLDEPLOY_RECEIVE_SECONDS="0.2") as server:
        answer = server.raw(head(b'{"instances"', length=100))
    assert status(answer) == 408


@pytest.mark.parametrize("begun", [b"", b"GET /heal", b"GET /health HTTP/1.1\r\nHost:"])
def test_a_connection_whose_head_does_not_come_is_closed(hasty: Server, begun: bytes) -> None:
    assert hasty.raw(begun) == b""


def test_a_later_head_that_does_not_come_closes_the_connection_too(hasty: Server) -> None:
    answer = hasty.raw(b"GET /health HTTP/1.1\r\nHost: test\r\n\r\nGET /heal")
    assert answer.count(b"HTTP/1.1 200") == 1


def test_a_request_that_comes_slowly_but_in_time_is_answered(hasty: Server) -> None:
    body = json.dumps({"instances": [NUMERIC]}).encode()
    request = head(body)
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=20) as connection:
        for start in range(0, len(request), 40):
            connection.sendall(request[start : start + 40])
        assert status(b"".join(iter(lambda: connection.recv(65536), b""))) == 200


def test_more_work_than_can_be_done_in_time_is_refused_at_once(tmp_path: Path) -> None:
    with started(numeric_bundle(tmp_path), tmp_path, MLDEPLOY_QUEUE="0") as server:
        refused = server.client.post("/predict", json={"instances": [NUMERIC]})
        rotation = server.client.get("/rotation")
    assert (refused.status_code, refused.json()["type"]) == (503, "/docs#overloaded")
    assert refused.headers["retry-after"] == "1"
    assert rotation.status_code == 200


def test_a_client_that_leaves_before_its_body_is_complete_is_forgotten(numeric: Server) -> None:
    assert numeric.raw(head(b'{"instances"', length=100), shut=True) == b""
    assert numeric.control("status")[1]["in_flight"] == 0


def test_the_clients_own_request_id_is_kept(numeric: Server) -> None:
    response = numeric.client.post("/predict", json={"instances": [NUMERIC]}, headers={"X-Request-ID": "order-7"})
    assert response.json()["request_id"] == response.headers["x-request-id"] == "order-7"


@pytest.mark.parametrize("given", ["", "with space", "x" * 129, "caf\xe9"])
def test_a_request_id_that_is_no_token_is_replaced(numeric: Server, given: str) -> None:
    answer = numeric.raw(head(b"", f"X-Request-ID: {given}", method="GET", path="/health"))
    assert status(answer) == 200
    [made] = [line for line in answer.split(b"\r\n") if line.startswith(b"x-request-id: ")]
    assert given.encode("latin-1") not in made or not given


def test_unknown_paths_and_wrong_methods_are_problems(numeric: Server) -> None:
    missing = numeric.client.get("/admin")
    wrong = numeric.client.get("/predict")
    assert (missing.status_code, missing.json()["type"]) == (404, "/docs#not-found")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert numeric.client.delete("/health").headers["allow"] == "GET, HEAD"


def test_head_answers_without_a_body(numeric: Server) -> None:
    response = numeric.client.head("/health")
    assert (response.status_code, response.content) == (200, b"")


def test_health_says_what_is_served(numeric: Server) -> None:
    answered = numeric.client.get("/health").json()
    assert (answered["status"], answered["name"], answered["version"]) == ("ok", "numeric", "1.2.3")
    assert answered["release"] == "r3"
    assert answered["load_seconds"] > 0
    assert answered["loaded_at"].startswith("20")


def test_model_shows_the_contract_and_nothing_of_the_graph(mixed: Server) -> None:
    answered = mixed.client.get("/model").json()
    assert [field["name"] for field in answered["inputs"]] == ["age", "plan", "member"]
    assert answered["outputs"]["classes"] == ["no", "yes"]
    assert answered["metadata"] == {"trained": "2026-11-01"}
    assert "graph" not in answered
    assert "packages" not in json.dumps(answered)


def test_metrics_count_requests_by_route_and_status(tmp_path: Path) -> None:
    with started(mixed_bundle(tmp_path), tmp_path) as server:
        rows = [MIXED, MIXED | {"plan": "gold"}, {"age": None, "plan": None, "member": False}]
        assert [row["label"] for row in predictions(server, instances=rows)] == ["yes", "yes", "yes"]
        server.client.post("/predict", json={})
        server.client.get("/wp-login.php")
        lines = server.client.get("/metrics").text.splitlines()
    for line in (
        f'mldeploy_model_info{{bundle_id="{bundle_id(tmp_path)}",name="mixed",release="r3",version="1.2.3"}} 1.0',
        "mldeploy_ready 1.0",
        'mldeploy_requests_total{route="/predict",status="200"} 1.0',
        'mldeploy_requests_total{route="/predict",status="422"} 1.0',
        'mldeploy_requests_total{route="other",status="404"} 1.0',
        'mldeploy_request_seconds_count{route="/predict"} 2.0',
        'mldeploy_problems_total{kind="invalid-input"} 1.0',
        "mldeploy_rows_total 3.0",
        'mldeploy_labels_total{label="yes"} 3.0',
        "mldeploy_second_class_probability_count 3.0",
        'mldeploy_missing_values_total{field="age"} 1.0',
        'mldeploy_missing_values_total{field="plan"} 1.0',
        'mldeploy_unknown_categories_total{field="plan"} 1.0',
        "mldeploy_log_lines_dropped_total 0.0",
    ):
        assert line in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)


def bundle_id(folder: Path) -> str:
    identity: str = json.loads(next(folder.glob("*/manifest.json")).read_text())["bundle_id"]
    return identity


def test_each_prediction_is_one_line_of_the_log_without_its_values(tmp_path: Path) -> None:
    with started(mixed_bundle(tmp_path), tmp_path) as server:
        server.client.post("/predict", json={"instances": [MIXED, MIXED]}, headers={"X-Request-ID": "order-7"})
        server.client.post("/predict", json={"instances": [MIXED | {"plan": 77031}]})
        server.client.get("/rotation")
        server.raw(b"no HTTP\r\n\r\n")
        server.process.terminate()
        output, errors = server.process.communicate(timeout=30)
    lines = [json.loads(line) for line in output.splitlines()]
    events = [line["event"] for line in lines]
    assert events == ["ready", "request", "request", "Invalid HTTP request received.", "stopped"]
    assert {name: lines[1][name] for name in ("level", "request_id", "method", "path", "status", "rows")} == {
        "level": "info", "request_id": "order-7", "method": "POST", "path": "/predict", "status": 200, "rows": 2,
    }  # fmt: skip
    assert lines[2]["status"] == 422
    assert "77031" not in output
    assert errors == ""


def test_rotation_follows_the_hosts_file(tmp_path: Path) -> None:
    rotation = tmp_path / "rotation"
    rotation.mkdir()
    with started(numeric_bundle(tmp_path), tmp_path, release="r7", MLDEPLOY_ROTATION=str(rotation)) as server:
        out = server.client.get("/rotation").status_code
        (rotation / "r7").touch()
        into = server.client.get("/rotation").status_code
        (rotation / "r7").unlink()
        out_again = server.client.get("/rotation").status_code
    assert (out, into, out_again) == (503, 200, 503)


def test_a_model_whose_golden_rows_do_not_match_never_gets_ready(tmp_path: Path) -> None:
    bundle = regressor_bundle(tmp_path)
    golden = json.loads((bundle / "golden.json").read_text())
    golden["predictions"][0]["value"] += 0.001
    (bundle / "golden.json").write_text(json.dumps(golden))
    with started(bundle, tmp_path, ready=False) as server:
        ready = server.client.get("/ready")
        refused = server.client.post("/predict", json={"instances": [{"a": 1.0, "b": 1.0}]})
        health, rotation = server.client.get("/health"), server.client.get("/rotation")
        code, answer = server.control("wait-ready", "--timeout", "5")
    assert (ready.status_code, ready.json()["reason"]) == (503, "1 of 2 golden rows do not match")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert (health.status_code, rotation.status_code) == (200, 503)
    assert (code, answer["reason"]) == (1, "1 of 2 golden rows do not match")


def test_sigterm_finishes_what_is_in_flight_and_exits_with_0(tmp_path: Path) -> None:
    body = json.dumps({"instances": [NUMERIC]}).encode()
    with (
        started(numeric_bundle(tmp_path), tmp_path) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as begun,
    ):
        begun.sendall(head(body)[:-5])
        while server.control("status")[1]["in_flight"] == 0:
            pass
        server.process.terminate()
        wait_until_refused(server.port)
        begun.sendall(body[-5:])
        answer = b"".join(iter(lambda: begun.recv(65536), b""))
        _, errors = server.process.communicate(timeout=30)
    assert status(answer) == 200
    assert (server.process.returncode, errors) == (0, "")


def wait_until_refused(port: int) -> None:
    """A server that stops takes no more connections."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=20).close()
        except ConnectionError:
            return
