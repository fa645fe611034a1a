"""The log never blocks: what its reader does not take in time waits, then is dropped and counted."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import pytest

from mldeploy_runtime.logs import MOST_WAITING_BYTES, Log

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
