"""All ways to an answer give the same, byte for byte, whatever is asked: FastAPI's, the application's that serves, and
the express one."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from mldeploy_runtime.http import protocol
from mldeploy_runtime.http.express import Exchange
from tests.unit.runtime.bundles import Row, mixed_bundle
from tests.unit.runtime.inprocess import Answer, InProcess, http_request
from tests.unit.runtime.keyfile import key_of, stored, write_keys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROW: Row = {"age": 42.0, "plan": "pro", "member": True}
VALUES: list[Any] = [
    None,
    True,
    0,
    1,
    -7,
    2**53 + 1,
    2**70,
    1.5,
    -0.0,
    1e308,
    "",
    "pro",
    "gold",
    "1",
    [],
    [1],
    {},
    {"a": 1},
]
LITERALS = [
    "NaN",
    "-Infinity",
    "1e999",
    "01",
    "+1",
    "1.",
    ".5",
    "0x1",
    "'a'",
    '"\\ud800"',
    '"\\u0000"',
    "tru",
    "1 2",
    "//",
]
KEY = {"X-API-Key": key_of("aaaaaaaa"), "X-Request-ID": "one"}
STORED = (stored("aaaaaaaa"), stored("bbbbbbbb", scopes=["metrics"]), stored("cccccccc", rate=2))
CSV = "text/csv"
INFER = "/v2/models/mixed/infer"

Question = tuple[str, bytes, dict[str, str]]


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def bodies() -> Iterator[bytes]:
    """Bodies for /predict, good and bad."""
    for name in ROW:
        yield encoded({"instances": [{key: value for key, value in ROW.items() if key != name}]})
        for value in VALUES:
            changed = ROW | {name: value}
            yield encoded({"instances": [ROW, changed]})
            yield encoded({"columns": {key: [ROW[key], changed[key]] for key in ROW}})
        for literal in LITERALS:
            yield encoded({"instances": [ROW | {name: "@"}]}).replace(b'"@"', literal.encode())
    for value in VALUES:
        yield encoded(value)
        for key in ("instances", "columns", "threshold", "other"):
            yield encoded({"instances": [ROW], key: value})
            yield encoded({key: value})
    whole = encoded({"instances": [ROW], "threshold": 0.5})
    for end in range(len(whole)):
        yield whole[:end]
        yield whole[:end] + b"\xff" + whole[end:]
    yield whole.replace(b'"member"', b'"age": 1, "member"')
    yield b"\xef\xbb\xbf" + whole
    yield whole.decode().encode("utf-16")
    yield b"[" * 50_000
    yield encoded({"instances": [ROW] * 101})


def questions() -> Iterator[Question]:
    for body in bodies():
        yield "/predict", body, KEY
    whole, table = encoded({"instances": [ROW]}), b"age,plan,member\n42,pro,true\n"
    for encoding in ("gzip", "x-gzip", "deflate", "br", "identity", "gzip, gzip", ""):
        for body in (whole, gzip.compress(whole, mtime=0), zlib.compress(whole), gzip.compress(whole, mtime=0)[:-3]):
            yield "/predict", body, KEY | {"Content-Encoding": encoding}
    for given_type in ("application/json", "application/json; charset=latin-1", CSV, "text/html", "", "\xff"):
        for accept in (
            "*/*",
            CSV,
            "application/json",
            "application/vnd.apache.arrow.stream",
            "text/html",
            "",
            "\xff;q=x",
        ):
            for body in (whole, table, b"", b'"'):
                yield "/predict", body, KEY | {"Content-Type": given_type, "Accept": accept}
    for headers in (
        {},
        {"X-API-Key": "x"},
        {"Authorization": f"Bearer {key_of('aaaaaaaa')}"},
        {"Authorization": "Basic x"},
    ):
        for path in ("/predict", INFER):
            yield path, whole, {"X-Request-ID": "one"} | headers
    yield "/predict", whole, {"X-Request-ID": "one", "X-API-Key": key_of("bbbbbbbb")}
    yield "/predict", whole, KEY | {"Origin": "https://shop.example"}
    yield "/predict", whole, KEY | {"Origin": "https://other.example"}
    yield "/predict", b" " * 200_000, KEY
    data = {"age": ("FP64", 42.0), "plan": ("BYTES", "pro"), "member": ("BOOL", True)}
    for wrong in [*data, ""]:
        for value in VALUES:
            tensors = [
                {"name": name, "shape": [1], "datatype": datatype, "data": [value if name == wrong else right]}
                for name, (datatype, right) in data.items()
            ]
            yield INFER, encoded({"inputs": tensors}), KEY


@pytest.fixture
def apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[InProcess, InProcess]:
    """Two servers in the same state, and a clock that stands still."""
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    keys = write_keys(tmp_path / "keys.json", *STORED)
    limits: dict[str, Any] = {"max_rows": 100, "max_body": 100_000, "rate_per_address": 1e6}
    origins = frozenset(["https://shop.example"])
    first, second = (InProcess(mixed_bundle, keys=keys, cors_origins=origins, **limits) for _ in range(2))
    return first, second


def test_both_paths_answer_alike(apps: tuple[InProcess, InProcess]) -> None:
    hot, fastapi = apps
    statuses = set()
    for path, body, headers in questions():
        answer = hot.ask(path, body, headers)
        assert answer == fastapi.ask(path, body, headers, app=fastapi.fastapi), (path, body, headers)
        statuses.add(answer.status)
    assert statuses == {200, 401, 403, 413, 415, 422}


def test_both_paths_keep_a_rate_alike(apps: tuple[InProcess, InProcess]) -> None:
    hot, fastapi = apps
    headers = {"X-API-Key": key_of("cccccccc"), "X-Request-ID": "one"}
    answers = [hot.ask("/predict", encoded({"instances": [ROW]}), headers) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    for answer in answers:
        assert answer == fastapi.ask("/predict", encoded({"instances": [ROW]}), headers, app=fastapi.fastapi)


@pytest.mark.parametrize("path", ["/health", "/ready", "/rotation", "/metrics", "/model", "/v2", INFER[:-6]])
def test_both_paths_answer_what_is_got_alike(apps: tuple[InProcess, InProcess], path: str) -> None:
    hot, fastapi = apps
    headers = {"X-Request-ID": "one", "X-API-Key": key_of("bbbbbbbb" if path == "/metrics" else "aaaaaaaa")}
    for sent in (headers, {"X-Request-ID": "one"}):
        ours = hot.ask(path, b"", sent, method="GET")
        theirs = fastapi.ask(path, b"", sent, method="GET", app=fastapi.fastapi)
        assert (ours.status, [name for name, _ in ours.headers]) == (
            theirs.status,
            [name for name, _ in theirs.headers],
        )


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """A server that no browser asks, so that there is an express way, and a clock that stands still."""
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    keys = write_keys(tmp_path / "keys.json", *STORED)
    return InProcess(mixed_bundle, keys=keys, max_rows=100, max_body=100_000, rate_per_address=1e6)


@pytest.fixture
def expressed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that have gone the express way."""
    bodies: list[bytes] = []
    begin = Exchange.begin

    def noted(exchange: Exchange, body: bytes) -> None:
        bodies.append(body)
        begin(exchange, body)

    monkeypatch.setattr(Exchange, "begin", noted)
    return bodies


def without_reset(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    """An answer but for what it says of rates, which differs from one request to the next."""
    return answer.status, [line for line in answer.headers if line[0] != "ratelimit"], answer.body


def test_the_express_way_answers_as_the_application_does(closed: InProcess, expressed: list[bytes]) -> None:
    statuses, count = set(), 0
    for path, body, headers in questions():
        [answer] = closed.ask_by_wire([http_request(path, body, headers)])
        asked = closed.ask(path, body, {name: value.strip() for name, value in headers.items()})
        assert without_reset(answer) == without_reset(asked), (path, body, headers)
        count += bool(expressed)
        statuses |= {answer.status} if expressed else set()
        expressed.clear()
    assert statuses == {200, 401, 403, 413, 422}
    assert count > 500


def test_a_request_that_comes_in_pieces_is_answered_alike(closed: InProcess, expressed: list[bytes]) -> None:
    body = encoded({"instances": [ROW]})
    asked = http_request("/predict", body, KEY)
    [whole] = closed.ask_by_wire([asked])
    for cut in (1, 30, len(asked) - len(body), len(asked) - 1):
        [answer] = closed.ask_by_wire([asked[:cut], asked[cut:]])
        assert without_reset(answer) == without_reset(whole)
    assert expressed == [body] * 5


def test_a_body_that_comes_late_or_is_large_goes_to_the_application_and_is_answered_alike(
    closed: InProcess, expressed: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = http_request("/predict", encoded({"instances": [ROW]}), KEY)
    large = http_request("/predict", encoded({"instances": [ROW]}) + b" " * 70_000, KEY)
    [whole] = closed.ask_by_wire([asked])
    expressed.clear()
    [answer] = closed.ask_by_wire([large])
    assert without_reset(answer) == without_reset(whole)
    monkeypatch.setattr(protocol, "HOLD_SECONDS", 0.0)
    [answer] = closed.ask_by_wire([asked[:-20], b"", asked[-20:-10], asked[-10:]])
    assert without_reset(answer) == without_reset(whole)
    assert expressed == []


def test_requests_on_one_connection_are_answered_in_their_order(closed: InProcess) -> None:
    asked = [
        http_request("/predict", encoded({"instances": [ROW]}), KEY | {"X-Request-ID": f"number-{number}"})
        for number in range(4)
    ]
    slow = http_request("/health", b"", {"X-Request-ID": "number-4"}, method="GET")
    answers = closed.ask_by_wire([b"".join([*asked, slow])], answers=5)
    assert [answer.header("x-request-id") for answer in answers] == [f"number-{number}" for number in range(5)]
    assert {answer.status for answer in answers} == {200}


def test_a_client_that_has_gone_is_not_answered_and_not_in_flight(closed: InProcess) -> None:
    async def leave() -> tuple[int, bytes]:
        protocol, wire = closed.connect()
        protocol.data_received(http_request("/predict", encoded({"instances": [ROW]}), KEY))
        in_flight = closed.service.container.in_flight
        protocol.connection_lost(None)
        while closed.service.container.in_flight:
            await asyncio.sleep(0)
        return in_flight, bytes(wire.written)

    assert closed.loop.run_until_complete(asyncio.wait_for(leave(), 20)) == (1, b"")


def test_a_client_that_has_gone_with_requests_in_a_row_costs_others_nothing() -> None:
    app = InProcess(mixed_bundle)
    asked = http_request("/predict", encoded({"instances": [ROW]}), KEY)
    next_one = http_request("/health", b"", {}, method="GET")

    async def leave() -> Answer:
        gone, _ = app.connect()
        protocol, wire = app.connect()
        gone.data_received(asked + next_one)
        protocol.data_received(asked)
        gone.connection_lost(None)
        while (answer := wire.take_answer()) is None or app.service.container.in_flight:
            await asyncio.sleep(0)
        return answer

    assert app.loop.run_until_complete(asyncio.wait_for(leave(), 5)).status == 200


def test_a_request_that_is_held_when_the_server_stops_is_answered() -> None:
    app = InProcess(mixed_bundle)
    asked = http_request("/predict", encoded({"instances": [ROW]}), KEY)

    async def stop() -> Answer | None:
        protocol, wire = app.connect()
        protocol.data_received(asked[:-10])
        protocol.shutdown()
        if not wire.is_closed:
            protocol.data_received(asked[-10:])
        while not wire.is_closed:
            await asyncio.sleep(0)
        return wire.take_answer()

    answer = app.loop.run_until_complete(asyncio.wait_for(stop(), 5))
    assert answer is not None
    assert (answer.status, answer.header("connection")) == (200, "close")


def test_each_head_has_its_own_time(closed: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    asked = http_request("/predict", encoded({"instances": [ROW]}), KEY)

    async def converse() -> list[float]:
        nonlocal now
        protocol, _ = closed.connect()
        ends = []
        for piece in (asked[:20], asked[20:] + asked[:20], asked[20:] + asked):
            now += 1.0
            protocol.data_received(piece)
            ends.append(protocol._timer.when() if protocol._timer else 0.0)
        protocol.connection_lost(None)
        return ends

    first, second, none = closed.loop.run_until_complete(converse())
    assert second > first > none == 0.0


def test_the_last_request_of_a_connection_is_answered_and_the_connection_closed(closed: InProcess) -> None:
    asked = http_request("/predict", encoded({"instances": [ROW]}), KEY | {"Connection": "close"})

    async def ask() -> tuple[Answer | None, bool]:
        protocol, wire = closed.connect()
        protocol.data_received(asked)
        while not wire.is_closed:
            await asyncio.sleep(0)
        return wire.take_answer(), bool(wire.written)

    answer, more = closed.loop.run_until_complete(asyncio.wait_for(ask(), 20))
    assert answer is not None
    assert (answer.status, answer.header("connection"), more) == (200, "close", False)
