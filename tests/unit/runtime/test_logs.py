"""The log never blocks: what its reader does not take in time waits, then is dropped and counted."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import select
from typing import TYPE_CHECKING

import pytest

from mldeploy_runtime.logs import MOST_WAITING_BYTES, Handler, Log

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_lines_are_json_in_the_order_they_came(pipe: tuple[int, int]) -> None:
    reader, writer = pipe

    async def procedure() -> None:
        log = Log(writer)
        log.write("first", rows=2)
        log.write("second", "error")
        await asyncio.sleep(0)

    asyncio.run(procedure())
    first, second = (json.loads(line) for line in os.read(reader, 65536).splitlines())
    assert (first["event"], first["level"], first["rows"]) == ("first", "info", 2)
    assert (second["event"], second["level"]) == ("second", "error")


def test_a_reader_that_stops_costs_lines_and_no_time(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    text = "x" * 1000
    many = 2 * MOST_WAITING_BYTES // len(text)

    async def procedure() -> tuple[float, bytes]:
        log = Log(writer)
        for _ in range(many):
            log.write(text)
            await asyncio.sleep(0)
        read = b""
        while log.lost[0] + read.count(b"\n") < many:
            read += await asyncio.to_thread(os.read, reader, 65536)
        return log.lost[0], read

    dropped, read = asyncio.run(asyncio.wait_for(procedure(), 60))
    assert dropped > 0
    assert len(read) > MOST_WAITING_BYTES
    assert all(json.loads(line)["event"] == text for line in read.splitlines())


def test_without_a_reader_the_lines_are_counted_as_dropped() -> None:
    reader, writer = os.pipe()
    os.close(reader)

    async def procedure() -> float:
        log = Log(writer)
        log.write("lost")
        await asyncio.sleep(0)
        return log.lost[0]

    assert asyncio.run(procedure()) == 1
    os.close(writer)


def test_a_library_may_log_in_any_thread(pipe: tuple[int, int]) -> None:
    reader, writer = pipe

    async def procedure() -> None:
        log = Log(writer)
        library = logging.Logger("library")
        library.addHandler(Handler(log))
        await asyncio.to_thread(library.warning, "in a %s", "thread")
        library.warning("on the loop")
        log.write("ours")
        await asyncio.sleep(0)

    asyncio.run(procedure())
    lines = [json.loads(line) for line in os.read(reader, 65536).splitlines()]
    assert [line["event"] for line in lines] == ["in a thread", "on the loop", "ours"]
    assert lines[0]["logger"] == "library"


def test_what_a_library_logs_wrongly_does_not_fail_it(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)

    async def procedure() -> logging.Logger:
        library = logging.Logger("library")
        library.addHandler(Handler(Log(pipe[1])))
        library.warning("%d", "no number")
        return library

    asyncio.run(procedure()).warning("after the loop has ended")


@pytest.mark.parametrize("character", ["x", "é", "\0"])
def test_no_line_is_longer_than_what_a_pipe_takes_as_one_piece(pipe: tuple[int, int], character: str) -> None:
    reader, writer = pipe
    text = "begins" + character * 100_000 + "ends"

    async def procedure() -> None:
        log = Log(writer)
        log.write("failed", error=text)
        log.write(text, error=text)
        log.request("1", "GET", text, 404, 0, 1.0, text)
        await asyncio.sleep(0)

    asyncio.run(procedure())
    lines = os.read(reader, 65536).splitlines(keepends=True)
    assert max(len(line) for line in lines) <= select.PIPE_BUF
    failed, long, request = (json.loads(line) for line in lines)
    assert failed["event"] == "failed"
    assert failed["error"].endswith(character + "ends")
    assert (len(long["event"]) > 200, long["event"][:6], long["error"][-4:]) == (True, "begins", "ends")
    assert (len(request["path"]), request["path"][:6], len(request["key"])) == (200, "begins", 200)
