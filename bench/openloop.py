"""Load that does not wait for answers: requests are sent when they are due, each on a connection that is free."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 100
MOST_CONNECTIONS = 800
SATURATING_CONNECTIONS = 4
# Who is refused asks again later: a server at its end must not be asked for nothing but refusals.
BACK_OFF_SECONDS = 0.02
FAILED = 0


@dataclass(frozen=True)
class Sample:
    """Seconds from when the request was due to its answer; `status` is `FAILED` where there was none."""

    seconds: float
    status: int


def request_of(bundle: Path) -> bytes:
    """A request with the bundle's golden rows, repeated to `ROWS`, so that one core is soon at its end."""
    instances = json.loads((bundle / "golden.json").read_text())["instances"]
    body = json.dumps({"instances": (instances * ROWS)[:ROWS]}).encode()
    return b"POST /predict HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def saturate(port: int, request: bytes, seconds: float) -> float:
    """Answers a second while each of some callers waits for its answer before it asks again."""
    until = time.perf_counter() + seconds
    answered = 0

    async def caller() -> None:
        nonlocal answered
        connection = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < until:
            if await _exchange(*connection, request) == 200:
                answered += 1
            else:
                await asyncio.sleep(BACK_OFF_SECONDS)
        connection[1].close()

    await asyncio.gather(*(caller() for _ in range(SATURATING_CONNECTIONS)))
    return answered / seconds


async def offer(port: int, request: bytes, rate: float, seconds: float) -> list[Sample]:
    """Send `rate` requests a second, evenly, for `seconds`."""
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    places = asyncio.Semaphore(MOST_CONNECTIONS)
    samples: list[Sample] = []
    begun = time.perf_counter()

    async def send(due: float) -> None:
        async with places:
            status = FAILED
            with suppress(OSError, ValueError, asyncio.IncompleteReadError):
                connection = free.pop() if free else await asyncio.open_connection("127.0.0.1", port)
                status = await _exchange(*connection, request)
                free.append(connection)
            samples.append(Sample(time.perf_counter() - due, status))

    async with asyncio.TaskGroup() as tasks:
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.create_task(send(due))
    for _, writer in free:
        writer.close()
    return samples


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head[9:12])


def milliseconds(samples: list[Sample], status: int, percent: int) -> float:
    """A percentile of the time to answers of this status."""
    times = sorted(sample.seconds for sample in samples if sample.status == status)
    if len(times) < 2:
        return float("nan")
    return statistics.quantiles(times, n=100)[percent - 1] * 1000


def by_status(samples: list[Sample]) -> str:
    """How many answers had which status."""
    statuses = [sample.status for sample in samples]
    return ", ".join(f"{statuses.count(status)} of {status or 'none'}" for status in sorted(set(statuses)))
