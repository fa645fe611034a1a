"""A real HTTP server that answers at once, but may stall, when all answers wait, or take its time over each."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

Breaks = Literal["closes", "stalls"]
ANSWER = b'{"predictions": [{"value": 1.0}]}'


@dataclass(frozen=True)
class Stall:
    """For `length_s` out of every `period_s` seconds the server answers nothing."""

    period_s: float
    length_s: float

    def remaining(self, elapsed_s: float) -> float:
        """How long an answer has to wait that would be given now; a period ends with its stall."""
        within = elapsed_s % self.period_s
        return self.period_s - within if within >= self.period_s - self.length_s else 0.0


class _Worker:
    """When answers are ready: one after another, each after `service_s`, and none during a stall."""

    def __init__(self, stall: Stall | None, service_s: float, started_s: float) -> None:
        self.stall, self.service_s, self.started_s = stall, service_s, started_s
        self.free_s = started_s

    def wait(self, now_s: float) -> float:
        if self.stall:
            return self.stall.remaining(now_s - self.started_s)
        self.free_s = max(self.free_s, now_s) + self.service_s
        return self.free_s - now_s


class _Connection(asyncio.Protocol):
    def __init__(self, worker: _Worker, status: str, breaks: Breaks | None, heads: list[bytes]) -> None:
        self.worker, self.status, self.breaks, self.heads = worker, status, breaks, heads
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        if len(body) < length:
            return
        self.buffer = b""
        self.heads.append(head)
        loop = asyncio.get_running_loop()
        loop.call_later(self.worker.wait(loop.time()), self.answer)

    def answer(self) -> None:
        length = len(ANSWER) * 1000 if self.breaks else len(ANSWER)
        head = f"HTTP/1.1 {self.status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        self.transport.write(head.encode() + ANSWER)
        if self.breaks == "closes":
            self.transport.close()


@contextmanager
def serving(
    stall: Stall | None = None,
    service_s: float = 0.0,
    status: str = "200 OK",
    breaks: Breaks | None = None,
    heads: list[bytes] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """The URL of a server that runs until the block ends; it takes `service_s` over each answer, one at a time.

    Where it `breaks`, a body ends before the length it was announced with: the connection closes, or stalls.
    What requests began with is added to `heads`.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def listen() -> asyncio.Server:
        asked = [] if heads is None else heads
        worker = _Worker(stall, service_s, loop.time())
        return await loop.create_server(
            lambda: _Connection(worker, status, breaks, asked), "127.0.0.1", 0, backlog=4096, ssl=tls
        )

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
