"""The ASGI application: finds the route, has it answered, writes the reply. Nothing here knows the model."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mldeploy_runtime.container import IN_FLIGHT, REQUESTS
from mldeploy_runtime.http.bodies import ClientGoneError
from mldeploy_runtime.http.handling import request_of
from mldeploy_runtime.http.messages import head_of

if TYPE_CHECKING:
    from mldeploy_runtime.http.handling import Handling
    from mldeploy_runtime.http.messages import Application, Message, Receive, Reply, Request, Send
    from mldeploy_runtime.http.route import Route


def build_app(handling: Handling, routes: dict[str, Route]) -> Application:
    """The application that answers `routes`, for any ASGI server."""
    numbers = handling.service.numbers

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        begun = time.perf_counter()
        request = request_of(scope)
        route = routes.get(scope["path"])
        counted = route is not None and route.counted
        numbers[IN_FLIGHT] += counted
        numbers[REQUESTS] += counted
        try:
            reply = await handling.handle(route, request, scope, receive)
            await _write(send, reply, request, with_body=scope["method"] != "HEAD")
            handling.account(route, request, scope["method"], scope["path"], reply.status, begun)
        except ClientGoneError:
            return
        finally:
            numbers[IN_FLIGHT] -= counted

    return app


async def _write(send: Send, reply: Reply, request: Request, *, with_body: bool) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": head_of(reply, request)})
    await send({"type": "http.response.body", "body": reply.body if with_body else b""})
