"""The application over a bundle in this process, asked without sockets."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from mldeploy_runtime.http.app import build_app
from mldeploy_runtime.http.documentation import build_documentation
from mldeploy_runtime.http.handling import build_handler
from mldeploy_runtime.http.routes import build_routes
from mldeploy_runtime.logs import Log
from mldeploy_runtime.service import Service
from mldeploy_runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

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


class InProcess:
    """`hot` is the application that serves, `fastapi` the one that documents it."""

    def __init__(self, bundle: Callable[[Path], Path], **settings: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.service: Service
        self.hot: Application
        self.fastapi: Application
        self.loop.run_until_complete(self._start(Settings(bundle(Path(mkdtemp())), **settings)))

    async def _start(self, settings: Settings) -> None:
        self.service = Service(settings, Log(os.open(os.devnull, os.O_WRONLY)))
        await self.service.load()
        handle = build_handler(self.service)
        self.hot = build_app(self.service)
        self.fastapi = build_documentation(self.service, build_routes(self.service, handle), handle)

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
