"""Load that does not wait for answers: requests are sent when they are due, each on a connection that is free."""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from bench.process import Running, free_ports, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

MOST_CONNECTIONS = 800
SATURATING_CONNECTIONS = 16
# Who is refused asks again later: a server at its end must not be asked for nothing but refusals.
BACK_OFF_SECONDS = 0.02
# Timers are that coarse: what is due sooner is waited for without one, on a core that has nothing else to do.
TICK_SECONDS = 0.002
# A request without an answer after so long has failed.
ANSWER_SECONDS = 30.0
FAILED = 0
# Servers close a connection that is not used for long, and lose what is sent on it at that moment, as any client knows.
IDLE_SECONDS = 5.0


class Sample(NamedTuple):
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
    """One request at a time; without tasks and futures, so that one core can send more than one core answers."""

    def __init__(self) -> None:
        self._answer = bytearray()
        self._size = 0
        self._answered: Callable[[int], None] | None = None
        self._used = time.perf_counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.WriteTransport = transport  # type: ignore[assignment]  # that of a socket

    @property
    def is_stale(self) -> bool:
        """Whether the server has closed it, or may be about to."""
        return self._transport.is_closing() or time.perf_counter() > self._used + IDLE_SECONDS

    def ask(self, request: bytes, answered: Callable[[int], None]) -> None:
        """Have `answered` told the answer's status, once all of it is there."""
        self._answered = answered
        self._used = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._size:
            head = self._answer.find(b"\r\n\r\n")
            if head < 0:
                return
            length = self._answer[:head].lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            self._size = head + 4 + int(length)
        if len(self._answer) >= self._size:
            status = int(self._answer[9:12])
            self._answer.clear()
            self._size = 0
            self._end(status)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._end(FAILED)

    def close(self) -> None:
        self._transport.close()

    def _end(self, status: int) -> None:
        if self._answered is not None:
            answered, self._answered = self._answered, None
            answered(status)


async def connect(port: int) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


async def saturate(port: int, request: bytes, seconds: float) -> float:
    """Answers a second while each of some callers waits for its answer before it asks again."""
    until = time.perf_counter() + seconds
    statuses: list[int] = []

    def call(connection: Connection) -> None:
        def answered(status: int) -> None:
            statuses.append(status)
            if time.perf_counter() > until or status == FAILED:
                return
            if status == 200:
                call(connection)
            else:
                asyncio.get_running_loop().call_later(BACK_OFF_SECONDS, call, connection)

        connection.ask(request, answered)

    connections = [await connect(port) for _ in range(SATURATING_CONNECTIONS)]
    for connection in connections:
        call(connection)
    await asyncio.sleep(until - time.perf_counter() + BACK_OFF_SECONDS)
    for connection in connections:
        connection.close()
    return statuses.count(200) / seconds


async def offer(
    port: int, requests: Sequence[bytes], rate: float, seconds: float, most_connections: int = MOST_CONNECTIONS
) -> list[Sample]:
    """Send `rate` requests a second, evenly, for `seconds`: `requests` in turn, from so many connections.

    Whoever finds no connection free waits, and counts from when it was due. What is still not sent long after the
    end is in no sample.
    """
    free = [await connect(port) for _ in range(most_connections)]
    connections = list(free)
    samples: list[Sample] = []

    def send(due: float, request: bytes, connection: Connection) -> None:
        late = time.perf_counter() - due

        def answered(status: int) -> None:
            samples.append(Sample(time.perf_counter() - due, late, status))
            free.append(connection)

        connection.ask(request, answered)

    gc.disable()  # going through all samples would hold up what is due, and then send it as a burst
    begun = time.perf_counter()
    sent, total = 0, int(rate * seconds)
    while sent < total and (now := time.perf_counter()) < begun + seconds + ANSWER_SECONDS:
        due = begun + sent / rate
        if due > now or not free:
            await asyncio.sleep(TICK_SECONDS if due - now > 2 * TICK_SECONDS else 0)
            continue
        connection = free.pop()
        if connection.is_stale:
            connection.close()
            connection = await connect(port)
            connections.append(connection)
        send(due, requests[sent % len(requests)], connection)
        sent += 1
        if not sent % 16:
            await asyncio.sleep(0)  # answers are taken in between
    last = time.perf_counter() + ANSWER_SECONDS
    while len(samples) < sent and time.perf_counter() < last:
        await asyncio.sleep(TICK_SECONDS)
    for connection in connections:
        connection.close()
    while len(samples) < sent:  # those that still wait have failed now that their connections are closed
        await asyncio.sleep(TICK_SECONDS)
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
