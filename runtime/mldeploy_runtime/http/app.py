"""The ASGI application: finds the route, has it answered, writes the reply. Nothing here knows the model."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mldeploy_runtime.container import IN_FLIGHT, REQUESTS
from mldeploy_runtime.http.bodies import ClientGoneError
from mldeploy_runtime.http.handling import build_handler, request_of
from mldeploy_runtime.http.messages import head_of
from mldeploy_runtime.http.routes import build_routes
from mldeploy_runtime.metrics import OTHER

if TYPE_CHECKING:
    from mldeploy_runtime.http.messages import Application, Message, Receive, Reply, Request, Send
    from mldeploy_runtime.service import Service


def build_app(service: Service) -> Application:
    """The application over `service`, for any ASGI server."""
    handle = build_handler(service)
    routes = build_routes(service, handle)
    traffic = service.count_traffic(routes)
    numbers = service.numbers
    log_requests = service.settings.log_requests

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        request = request_of(scope)
        route = routes.get(scope["path"])
        counted = route is not None and route.counted
        numbers[IN_FLIGHT] += counted
        numbers[REQUESTS] += counted
        try:
            reply = await handle(route, request, scope, receive)
            await _write(send, reply, request, with_body=scope["method"] != "HEAD")
            seconds = time.perf_counter() - started
            traffic.request(scope["path"] if route else OTHER, reply.status, seconds)
            if log_requests and (counted or route is None):
                ms = round(seconds * 1000, 3)
                rows, key = request.rows, request.key
                service.log.request(request.id, scope["method"], scope["path"], reply.status, rows, ms, key)
        except ClientGoneError:
            return
        finally:
            numbers[IN_FLIGHT] -= counted

    return app


async def _write(send: Send, reply: Reply, request: Request, *, with_body: bool) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": head_of(reply, request)})
    await send({"type": "http.response.body", "body": reply.body if with_body else b""})
