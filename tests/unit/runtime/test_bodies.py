"""What a body may be packed in, and how much of it is read."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from mldeploy_runtime.http.protocol import MOST_HEAD_BYTES
from tests.unit.runtime.bundles import mixed_bundle, numeric_bundle
from tests.unit.runtime.inprocess import InProcess
from tests.unit.runtime.server import started
from tests.unit.runtime.test_http import NUMERIC, head, status

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 10_000
BODY = json.dumps({"instances": [{"age": 42.0, "plan": "pro", "member": True}]}).encode()


@pytest.fixture(scope="module")
def app() -> InProcess:
    return InProcess(mixed_bundle, max_body=LIMIT)


def raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


PACKED = {
    "gzip": gzip.compress(BODY),
    "x-gzip": gzip.compress(BODY),
    "GZIP": gzip.compress(BODY),
    "deflate": zlib.compress(BODY),
    "Deflate": raw_deflate(BODY),
    "identity": BODY,
}


@pytest.mark.parametrize("encoding", PACKED)
def test_a_packed_body_is_answered_as_the_plain_one(app: InProcess, encoding: str) -> None:
    packed = app.ask("/predict", PACKED[encoding], {"Content-Encoding": encoding})
    assert packed.status == 200
    assert packed.json()["predictions"] == app.ask("/predict", BODY).json()["predictions"]


def test_v2_takes_packed_bodies_too(app: InProcess) -> None:
    tensors = [
        {"name": name, "shape": [1], "datatype": datatype, "data": [value]}
        for name, datatype, value in (("age", "FP64", 42.0), ("plan", "BYTES", "pro"), ("member", "BOOL", True))
    ]
    body = gzip.compress(json.dumps({"inputs": tensors}).encode())
    assert app.ask("/v2/models/mixed/infer", body, {"Content-Encoding": "gzip"}).status == 200


@pytest.mark.parametrize(
    ("encoding", "body", "kind", "says"),
    [
        ("gzip", BODY, "malformed-body", "is no gzip"),
        ("gzip", gzip.compress(BODY)[:-1], "malformed-body", "ends before"),
        ("gzip", gzip.compress(BODY) + b"x", "malformed-body", "More follows"),
        ("gzip", gzip.compress(BODY) * 2, "malformed-body", "More follows"),
        ("gzip", gzip.compress(BODY)[:-6] + b"\0" * 6, "malformed-body", "is no gzip"),
        ("gzip", b"", "malformed-body", "ends before"),
        ("gzip", gzip.compress(b""), "malformed-json", "The body is empty."),
        ("deflate", zlib.compress(BODY)[:-5], "malformed-body", "ends before"),
        ("deflate", b"\xff" * 20, "malformed-body", "is no deflate"),
        ("br", BODY, "unsupported-encoding", "not as br"),
        ("gzip, gzip", BODY, "unsupported-encoding", "not as gzip, gzip"),
        ("gzip", gzip.compress(b" " * (LIMIT + 1)), "too-large", "10,000 bytes"),
        ("gzip", gzip.compress(b" " * 100_000_000, 9)[:LIMIT], "too-large", "10,000 bytes"),
        ("deflate", zlib.compress(b" " * (LIMIT + 1)), "too-large", "10,000 bytes"),
        ("identity", b" " * (LIMIT + 1), "too-large", "10,000 bytes"),
    ],
)
def test_a_body_that_is_not_what_its_encoding_says_is_refused(
    app: InProcess, encoding: str, body: bytes, kind: str, says: str
) -> None:
    answer = app.ask("/predict", body, {"Content-Encoding": encoding})
    problem = answer.json()
    assert (problem["type"], answer.status) == (
        f"/docs#{kind}",
        {"too-large": 413, "unsupported-encoding": 415}.get(kind, 422),
    )
    assert says in problem["detail"]


def test_a_body_of_exactly_the_limit_is_read(app: InProcess) -> None:
    full = BODY.ljust(LIMIT)
    assert app.ask("/predict", full).status == 200
    assert app.ask("/predict", gzip.compress(full), {"Content-Encoding": "gzip"}).status == 200


DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [
        b"[" * DEEP,
        b'{"instances":' * 1000,
        b'{"instances":[' + b"[" * DEEP,
        b'{"instances":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"instances":[{"age":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}]}",
        b'{"unknown":' + b"[" * DEEP + b"]" * DEEP + b"}",
    ],
)
def test_depth_is_no_way_in(numeric: Any, body: bytes) -> None:
    for path in ("/predict", "/v2/models/numeric/infer"):
        assert status(numeric.raw(head(body, path=path))) == 422


def test_an_endless_head_is_cut_off(numeric: Any) -> None:
    start = b"GET /health HTTP/1.1\r\nX-Padding: "
    answer = numeric.raw(start + b"x" * (MOST_HEAD_BYTES + 1 - len(start)))
    assert status(answer) == 431
    assert b"application/problem+json" in answer
    assert b"\r\nx-request-id: " in answer


def test_what_is_no_http_gets_a_problem_with_a_request_id(numeric: Any) -> None:
    answer = numeric.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
    assert status(answer) == 400
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "/docs#malformed-request"


def test_a_body_that_nobody_reads_must_end_too(tmp_path: Path) -> None:
    request = b"POST /nowhere HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\n{"
    with started(numeric_bundle(tmp_path), tmp_path, MLDEPLOY_RECEIVE_SECONDS="0.2") as server:
        # It ends: the server closed the connection.
        assert status(server.raw(request)) == 404


def test_a_client_that_takes_no_answer_is_let_go(tmp_path: Path) -> None:
    rows = {"columns": {name: [value] * 10_000 for name, value in NUMERIC.items()}}
    body = json.dumps(rows).encode()
    request = f"POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    with (
        started(numeric_bundle(tmp_path), tmp_path, MLDEPLOY_SEND_SECONDS="0.2") as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection,
        suppress(ConnectionError),
    ):
        while True:  # until it is closed, which one who only sends learns in this way
            connection.sendall(request)


def test_no_more_is_received_at_once_than_there_is_memory_for(tmp_path: Path) -> None:
    body = json.dumps({"instances": [NUMERIC]}).encode().ljust(100)
    with (
        started(numeric_bundle(tmp_path), tmp_path, MLDEPLOY_MAX_BODY="100") as server,
        ExitStack() as connections,
    ):
        begun = []
        for number in range(4):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            begun.append(connections.enter_context(connection))
            connection.sendall(head(body)[:-1])
            while server.control("status")[1]["in_flight"] <= number:
                pass
        refused = server.raw(head(body)[:-1])
        whole = server.raw(head(body))
        for connection in begun:
            connection.sendall(body[-1:])
            assert status(b"".join(iter(partial(connection.recv, 65536), b""))) == 200
        after = server.client.post("/predict", content=iter([body[:50], body[50:]]))
    assert (status(refused), b"retry-after: 1" in refused) == (503, True)
    assert (status(whole), after.status_code) == (200, 200)


def test_of_a_large_body_the_first_mistake_alone_is_told() -> None:
    body = b'{"instances":[[],[]' + b" " * 5_000_000 + b"]}"
    answer = InProcess(mixed_bundle).ask("/predict", body)
    assert (answer.status, answer.json().get("errors")) == (422, None)
    assert "$.instances[0]" in answer.json()["detail"]
