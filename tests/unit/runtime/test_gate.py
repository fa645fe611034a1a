"""Refusing before anything is made of a request: a whole answer at once, and the connection stays usable."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, BinaryIO

import pytest

from mldeploy_runtime.batching import Limits
from tests.unit.runtime.bundles import numeric_bundle
from tests.unit.runtime.inprocess import Answer, InProcess
from tests.unit.runtime.server import started

if TYPE_CHECKING:
    from pathlib import Path

BODY = b'{"instances":[{"height":1.0,"weight":0.5,"visits":2}]}'
PREDICT = b"POST /predict HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
HEALTH = b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n"


def test_a_full_server_refuses_in_the_usual_form_counts_it_and_keeps_the_connection(tmp_path: Path) -> None:
    with started(numeric_bundle(tmp_path), tmp_path, MLDEPLOY_QUEUE="0") as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            file = connection.makefile("rb")
            steps = ((PREDICT[:-5], b""), (PREDICT[-5:] + PREDICT, b"503"), (b"", b"503"), (HEALTH, b"200"))
            for asked, expected in steps:
                connection.sendall(asked)
                if expected:
                    status, head, body = answer(file)
                    assert status == expected
                    assert (b"retry-after" in head) == (b"overloaded" in body) == (expected == b"503")
        metrics = server.client.get("/metrics").text
        assert 'mldeploy_requests_total{route="/predict",status="503"} 2.0' in metrics
        assert 'mldeploy_request_seconds_count{route="/predict"}' not in metrics
        assert server.client.post("/predict", content=BODY).json()["type"] == "/docs#overloaded"


def answer(file: BinaryIO) -> tuple[bytes, dict[bytes, bytes], bytes]:
    status = file.readline().split()[1]
    lines = iter(file.readline, b"\r\n")
    head = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    return status, head, file.read(int(head[b"content-length"]))


@pytest.mark.parametrize("lines", [b"", b"Accept: text/csv\r\n"], ids=["express", "by the application"])
def test_as_many_as_may_wait_are_admitted_of_those_that_come_in_one_turn(lines: bytes) -> None:
    asked = PREDICT.replace(b"\r\n\r\n", b"\r\n" + lines + b"\r\n", 1)
    server = InProcess(numeric_bundle, limits=Limits(queue_requests=3, queue_seconds=100.0))
    statuses = [answer.status for answer in server.ask_at_once([asked] * 5)]
    assert statuses == [200, 200, 200, 503, 503]


@pytest.fixture
def full() -> InProcess:
    return InProcess(numeric_bundle, limits=Limits(queue_requests=0))


def test_a_refusal_has_the_clients_own_id(full: InProcess) -> None:
    [answer] = full.ask_by_wire([PREDICT.replace(b"Host: t", b"X-Request-ID: mine")])
    assert (answer.status, answer.header("x-request-id"), answer.json()["request_id"]) == (503, "mine", "mine")


def test_a_full_server_answers_other_methods_as_ever(full: InProcess) -> None:
    async def ask() -> bytes:
        protocol, wire = full.connect()
        protocol.data_received(PREDICT.replace(b"POST", b"HEAD"))
        while b"\r\n\r\n" not in wire.written:
            await asyncio.sleep(0)
        return bytes(wire.written)

    head, _, body = full.loop.run_until_complete(asyncio.wait_for(ask(), 5)).partition(b"\r\n\r\n")
    assert (head.split()[1], body) == (b"405", b"")


def test_nothing_more_is_written_to_a_client_that_does_not_read(full: InProcess) -> None:
    async def ask() -> tuple[int, Answer | None]:
        protocol, wire = full.connect()
        protocol.pause_writing()
        protocol.data_received(PREDICT)
        while full.service.container.in_flight == 0:
            await asyncio.sleep(0)
        written = len(wire.written)
        protocol.resume_writing()
        while (answer := wire.take_answer()) is None:
            await asyncio.sleep(0)
        return written, answer

    written, answer = full.loop.run_until_complete(asyncio.wait_for(ask(), 5))
    assert (written, answer and answer.status) == (0, 503)
