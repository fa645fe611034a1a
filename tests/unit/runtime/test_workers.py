"""Several workers are one container: for the host, for clients, and in what is counted."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mldeploy_runtime import workers as module
from mldeploy_runtime.settings import Settings
from mldeploy_runtime.workers import how_many
from tests.unit.runtime.bundles import numeric_bundle, regressor_bundle
from tests.unit.runtime.server import Server, started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BODY = b'{"instances": [{"height": 1.0, "weight": 0.5, "visits": 2}]}'
HEAD = f"HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {len(BODY)}\r\n\r\n"
ANSWERED = b"HTTP/1.1 200"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Server]:
    with started(numeric_bundle(tmp_path), tmp_path, MLDEPLOY_WORKERS="2") as server:
        yield server


def workers_of(server: Server) -> list[int]:
    """The process ids of the workers."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return [int(child) for child in children.split()]


def wait_for(condition: Callable[[], Any]) -> Any:
    """What `condition` gives once that is true; the test's own time limit ends it."""
    while not (outcome := condition()):
        time.sleep(0.02)
    return outcome


def ask(server: Server, method: str = "POST", path: str = "/predict") -> bytes:
    """The answer on a connection of its own, which any worker may take."""
    return server.raw(f"{method} {path} {HEAD}".encode() + BODY)


def begun(server: Server) -> socket.socket:
    """A request whose last bytes are still to come."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    connection.sendall(f"POST /predict {HEAD}".encode() + BODY[:-5])
    return connection


def metric(text: str, name: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(rf"{name}[ {{]", line))


def test_what_is_counted_is_counted_over_all_workers(two: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert {answer[:12] for answer in pool.map(ask, [two] * 100)} == {ANSWERED}
    shown = {ask(two, "GET", "/metrics").decode() for _ in range(6)}
    for text in shown:
        assert metric(text, "mldeploy_rows_total") == 100
        assert metric(text, "mldeploy_request_seconds_count") >= 100
        assert metric(text, "mldeploy_workers") == 2
    status = two.control("status")[1]
    assert (status["requests"], status["workers"], status["in_flight"]) == (100, 2, 0)
    assert two.control("golden")[0] == 0


def test_a_worker_that_dies_is_replaced_and_takes_nothing_along_but_what_it_had_in_hand(two: Server) -> None:
    before = workers_of(two)
    ask(two)
    connections = [begun(two) for _ in range(8)]
    wait_for(lambda: two.control("status")[1]["in_flight"] == 8)
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    wait_for(lambda: two.control("status")[1]["workers"] == 2)
    status = two.control("status")[1]
    assert (status["ready"], status["in_flight"], status["requests"]) == (True, 0, 9)
    assert not set(before) & set(workers_of(two))
    assert ask(two)[:12] == ANSWERED
    for connection in connections:
        connection.close()


def test_while_one_worker_is_away_the_other_answers_everything(two: Server) -> None:
    os.kill(workers_of(two)[0], signal.SIGKILL)
    wait_for(lambda: two.control("status")[1]["workers"] == 1)
    answered = []
    while two.control("status")[1]["workers"] == 1:
        answered += [ask(two)[:12] for _ in range(5)] + [ask(two, "GET", "/rotation")[:12]]
    assert set(answered) == {ANSWERED}


def test_sigterm_lets_every_worker_finish_what_it_has_in_flight(two: Server) -> None:
    connections = [begun(two) for _ in range(8)]
    wait_for(lambda: two.control("status")[1]["in_flight"] == 8)
    drain = two.control("drain", "--settle", "0", "--timeout", "0.1")
    two.process.terminate()
    output = []
    for connection in connections:
        connection.sendall(BODY[-5:])
        output.append(b"".join(iter(lambda: connection.recv(65536), b"")))  # noqa: B023 - called at once
        connection.close()
    _, errors = two.process.communicate(timeout=30)
    assert drain == (1, {"drained": False, "in_flight": 8})
    assert [answer[:12] for answer in output] == [ANSWERED] * 8
    assert (two.process.returncode, errors) == (0, "")


def test_workers_end_with_the_process_that_started_them(two: Server) -> None:
    workers = workers_of(two)
    two.process.kill()
    wait_for(lambda: not any(Path(f"/proc/{worker}/cmdline").exists() for worker in workers))


def test_golden_rows_that_do_not_match_are_told_at_once(tmp_path: Path) -> None:
    bundle = regressor_bundle(tmp_path)
    golden = json.loads((bundle / "golden.json").read_text())
    golden["predictions"][0]["value"] += 0.001
    (bundle / "golden.json").write_text(json.dumps(golden))
    with started(bundle, tmp_path, ready=False, MLDEPLOY_WORKERS="2") as server:
        code, answer = server.control("wait-ready", "--timeout", "20")
        assert (code, answer["reason"]) == (1, "1 of 2 golden rows do not match")
        assert server.client.get("/ready").status_code == 503


def test_a_bundle_that_cannot_be_served_ends_all_of_it(tmp_path: Path) -> None:
    bundle = numeric_bundle(tmp_path)
    (bundle / "golden.json").unlink()
    with started(bundle, tmp_path, ready=False, MLDEPLOY_WORKERS="2") as server:
        _, errors = server.process.communicate(timeout=20)
    assert server.process.returncode == 1
    assert "golden.json cannot be read" in errors


@pytest.mark.parametrize(
    ("asked", "memory", "model", "expected"),
    [(None, 10**10, 0, 4), (2, 10**10, 0, 2), (None, 300_000_000, 0, 2), (8, 300_000_000, 0, 2), (None, 10**6, 0, 1),
     (None, 10**9, 100_000_000, 1)],
)  # fmt: skip
def test_there_are_as_many_workers_as_cores_but_no_more_than_memory_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: int | None, memory: int, model: int, expected: int
) -> None:
    monkeypatch.setattr(module, "cores", lambda: 4)
    monkeypatch.setattr(module, "memory_bytes", lambda: memory)
    with (tmp_path / "model.onnx").open("wb") as file:
        file.truncate(model)
    assert how_many(Settings(tmp_path, workers=asked)) == expected
