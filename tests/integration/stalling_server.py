"""A real HTTP server that answers at once, except while it stalls: then all answers wait for the stall's end."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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


class _Connection(asyncio.Protocol):
    def __init__(self, stall: Stall | None, status: str, started_s: float) -> None:
        self.stall, self.status, self.started_s = stall, status, started_s
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
        loop = asyncio.get_running_loop()
        wait = self.stall.remaining(loop.time() - self.started_s) if self.stall else 0.0
        loop.call_later(wait, self.answer)

    def answer(self) -> None:
        head = f"HTTP/1.1 {self.status}\r\nContent-Type: application/json\r\nContent-Length: {len(ANSWER)}\r\n\r\n"
        self.transport.write(head.encode() + ANSWER)


@contextmanager
def serving(stall: Stall | None = None, status: str = "200 OK") -> Iterator[str]:
    """The URL of a server that runs until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def listen() -> asyncio.Server:
        started_s = loop.time()
        return await loop.create_server(lambda: _Connection(stall, status, started_s), "127.0.0.1", 0, backlog=4096)

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
