"""Load that does not wait for answers: requests are sent when they are due, each on a connection that is free."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.process import Running, free_ports, serving

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

MOST_CONNECTIONS = 800
SATURATING_CONNECTIONS = 16
# Who is refused asks again later: a server at its end must not be asked for nothing but refusals.
BACK_OFF_SECONDS = 0.02
# What is due within so long is sent together.
TICK_SECONDS = 0.002
FAILED = 0


@dataclass(frozen=True)
class Sample:
    """Seconds from when the request was due to its answer, and `late` of them until it was sent, which is the load
    generator's own doing; `status` is `FAILED` where there was no answer."""

    seconds: float
    late: float
    status: int


def request_of(bundle: Path, rows: int) -> bytes:
    """A request with so many of the bundle's golden rows, repeated where there are fewer."""
    instances = json.loads((bundle / "golden.json").read_text())["instances"]
    body = json.dumps({"instances": (instances * rows)[:rows]}).encode()
    return b"POST /predict HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Connection(asyncio.Protocol):
    """One request at a time; bare, so that one core can send more than one core answers."""

    def __init__(self) -> None:
        self._answer = bytearray()
        self._size = 0
        self._status: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]  # that of a socket

    @property
    def is_closed(self) -> bool:
        return self._transport.is_closing()

    def ask(self, request: bytes) -> asyncio.Future[int]:
        """The answer's status, once all of it is there."""
        self._status = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._status

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._size:
            head = self._answer.find(b"\r\n\r\n")
            if head < 0:
                return
            length = self._answer[:head].lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self._size = head + 4 + int(length)
        if len(self._answer) >= self._size:
            self._end(int(self._answer[9:12]))
            self._answer.clear()
            self._size = 0

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._end(FAILED)

    def close(self) -> None:
        self._transport.close()

    def _end(self, status: int) -> None:
        if self._status is not None and not self._status.done():
            self._status.set_result(status)


async def connect(port: int) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


async def saturate(port: int, request: bytes, seconds: float) -> float:
    """Answers a second while each of some callers waits for its answer before it asks again."""
    until = time.perf_counter() + seconds
    answered = 0

    async def caller() -> None:
        nonlocal answered
        connection = await connect(port)
        while time.perf_counter() < until:
            if await connection.ask(request) == 200:
                answered += 1
            else:
                await asyncio.sleep(BACK_OFF_SECONDS)
        connection.close()

    await asyncio.gather(*(caller() for _ in range(SATURATING_CONNECTIONS)))
    return answered / seconds


async def offer(port: int, request: bytes, rate: float, seconds: float) -> list[Sample]:
    """Send `rate` requests a second, evenly, for `seconds`."""
    free = [await connect(port) for _ in range(MOST_CONNECTIONS)]
    connections = list(free)
    samples: list[Sample] = []

    async def send(due: float, connection: Connection) -> None:
        if connection.is_closed:  # one that was never used is closed by the server after a while
            connection = await connect(port)
            connections.append(connection)
        late = time.perf_counter() - due
        status = await connection.ask(request)
        free.append(connection)
        samples.append(Sample(time.perf_counter() - due, late, status))

    begun = time.perf_counter()
    sent, total = 0, int(rate * seconds)
    tasks = set()
    while sent < total:
        due = begun + sent / rate
        if due > time.perf_counter() or not free:
            await asyncio.sleep(TICK_SECONDS)
            continue
        task = asyncio.create_task(send(due, free.pop()))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        sent += 1
        if not sent % 16:
            await asyncio.sleep(0)  # answers are taken in between
    await asyncio.gather(*tasks)
    for connection in connections:
        connection.close()
    return samples


def ours(bundle: Path, env: Mapping[str, str]) -> AbstractContextManager[Running]:
    """One worker of our server with the bundle."""
    port = free_ports()
    argv = [sys.executable, "-m", "mldeploy_runtime", "--bundle", str(bundle), "--host", "127.0.0.1"]
    argv += ["--port", str(port), "--control", "", "--workers", "1"]
    body = request_of(bundle, 1).partition(b"\r\n\r\n")[2].decode()
    return serving(argv, port, "/predict", body, env)


def milliseconds(times: list[float], percent: int) -> float:
    """A percentile of seconds."""
    if len(times) < 2:
        return float("nan")
    return statistics.quantiles(times, n=100)[percent - 1] * 1000


def by_status(samples: list[Sample]) -> str:
    """How many answers had which status."""
    statuses = [sample.status for sample in samples]
    return ", ".join(f"{statuses.count(status)} of {status or 'none'}" for status in sorted(set(statuses)))
