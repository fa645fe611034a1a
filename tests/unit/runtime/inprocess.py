"""The server over a bundle in this process, asked without sockets: its applications, and its protocol."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.server import ServerState

from mldeploy_runtime.http.app import build_app
from mldeploy_runtime.http.documentation import build_documentation
from mldeploy_runtime.http.express import Express
from mldeploy_runtime.http.gate import Gate
from mldeploy_runtime.http.handling import Handling
from mldeploy_runtime.http.messages import PREDICT
from mldeploy_runtime.http.protocol import protocol_with
from mldeploy_runtime.http.routes import build_routes
from mldeploy_runtime.logs import Log
from mldeploy_runtime.service import Service
from mldeploy_runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mldeploy_runtime.http.messages import Application

ADDRESS = "203.0.113.9"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        """The values of a header, with commas between them; None when it is not there."""
        return ", ".join(value for key, value in self.headers if key == name) or None


class Wire(asyncio.Transport):
    """What stands in the place of a socket: it keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": (ADDRESS, 40000)})
        self.written = bytearray()
        self.is_closed = False

    def write(self, data: Any) -> None:
        if self.is_closed:
            raise RuntimeError("the transport is closed")
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def take_answer(self) -> Answer | None:
        """The first answer, once all of it is there."""
        head, found, rest = bytes(self.written).partition(b"\r\n\r\n")
        if not found:
            return None
        start, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        length = int(dict(headers)["content-length"])
        if len(rest) < length:
            return None
        del self.written[: len(head) + 4 + length]
        return Answer(int(start.split()[1]), headers, rest[:length])


class InProcess:
    """`hot` is the application that serves, `fastapi` the one that documents it, `protocol` what reads connections."""

    def __init__(self, bundle: Callable[[Path], Path], **settings: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.service: Service
        self.hot: Application
        self.fastapi: Application
        self.loop.run_until_complete(self._start(Settings(bundle(Path(mkdtemp())), **settings)))

    async def _start(self, settings: Settings) -> None:
        self.service = Service(settings, Log(os.open(os.devnull, os.O_WRONLY)))
        await self.service.load()
        handling = Handling(self.service)
        routes = build_routes(handling)
        self.hot = build_app(handling, routes)
        self.fastapi = build_documentation(handling, routes)
        self.express = Express(handling, routes[PREDICT])
        self.protocol = protocol_with(60.0, 60.0, Gate(self.service), self.express)

    def connect(self) -> tuple[Any, Wire]:
        """A connection's protocol, and what it writes to."""
        wire = Wire()
        config = uvicorn.Config(self.hot, log_config=None, lifespan="off")
        protocol: Any = self.protocol(config, ServerState(), {}, self.loop)
        protocol.connection_made(wire)
        return protocol, wire

    def ask_by_wire(self, pieces: Sequence[bytes], answers: int = 1) -> list[Answer]:
        """So many answers on one connection on which these pieces come, one in each turn of the loop."""
        return self.loop.run_until_complete(asyncio.wait_for(self._converse(pieces, answers), 20))

    async def _converse(self, pieces: Sequence[bytes], answers: int) -> list[Answer]:
        protocol, wire = self.connect()
        for piece in pieces:
            protocol.data_received(piece)
            await asyncio.sleep(0)
        found = [await self._answer(wire) for _ in range(answers)]
        assert not wire.written
        protocol.connection_lost(None)
        return found

    def ask_at_once(self, requests: Sequence[bytes]) -> list[Answer]:
        """Their answers: each comes on a connection of its own, all in one turn of the loop."""
        return self.loop.run_until_complete(asyncio.wait_for(self._ask_at_once(requests), 20))

    async def _ask_at_once(self, requests: Sequence[bytes]) -> list[Answer]:
        connections = [self.connect() for _ in requests]
        for (protocol, _), request in zip(connections, requests, strict=True):
            protocol.data_received(request)
        answers = [await self._answer(wire) for _, wire in connections]
        for protocol, _ in connections:
            protocol.connection_lost(None)
        return answers

    async def _answer(self, wire: Wire) -> Answer:
        while (answer := wire.take_answer()) is None:
            await asyncio.sleep(0)
        return answer

    def ask(
        self,
        path: str = "/predict",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        method: str = "POST",
        address: str = ADDRESS,
        app: Application | None = None,
    ) -> Answer:
        """What `app`, the hot one by default, answers."""
        lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "root_path": "", "scheme": "http", "headers": lines, "client": (address, 40000),
        }  # fmt: skip
        return self.loop.run_until_complete(_exchange(app or self.hot, scope, body))


def http_request(path: str, body: bytes, headers: dict[str, str], *, method: str = "POST") -> bytes:
    """A request as a client writes it."""
    lines = {"Host": "t", "Content-Length": str(len(body))} | headers
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


async def _exchange(app: Application, scope: dict[str, Any], body: bytes) -> Answer:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *rest = sent
    headers = [(name.decode(), value.decode("latin-1")) for name, value in start["headers"]]
    return Answer(start["status"], headers, b"".join(message.get("body", b"") for message in rest))
