"""The ASGI application: finds the route, reads the body, writes the reply. Nothing here knows the model."""

from __future__ import annotations

import asyncio
import functools
import time
import traceback
from typing import TYPE_CHECKING, Any

from mldeploy_runtime.http.messages import Reply, Request, problem_reply, request_id
from mldeploy_runtime.http.routes import build_routes
from mldeploy_runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from mldeploy_runtime.http.route import Route
    from mldeploy_runtime.service import Service

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[Message, Receive, Send], Awaitable[None]]

INTERNAL_ERROR = Problem("internal-error", "The server could not answer this request.")
DOCUMENTATION = ("/docs", "/openapi.json")
CLOSE = ((b"connection", b"close"),)


class _ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


def build_app(service: Service) -> Application:
    """The application over `service`, for any ASGI server."""
    routes = build_routes(service)
    log_requests = service.settings.log_requests

    @functools.cache
    def documentation() -> Application:
        from mldeploy_runtime.http.documentation import build_documentation

        return build_documentation(service, routes)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] in DOCUMENTATION:
            await (await asyncio.to_thread(documentation))(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request = Request(request_id(headers.get(b"x-request-id")), headers)
        route = routes.get(scope["path"])
        counted = route is not None and route.counted
        service.in_flight += counted
        service.requests += counted
        try:
            reply = await answer(route, request, scope, receive)
            await _write(send, reply, request.id, with_body=scope["method"] != "HEAD")
            seconds = time.perf_counter() - started
            service.metrics.request(scope["path"] if route else "other", reply.status, seconds)
            if log_requests and (counted or route is None):
                ms = round(seconds * 1000, 3)
                service.log.request(request.id, scope["method"], scope["path"], reply.status, request.rows, ms)
        except _ClientGoneError:
            return
        finally:
            service.in_flight -= counted

    async def answer(route: Route | None, request: Request, scope: Message, receive: Receive) -> Reply:
        if route is None:
            return problem_reply(_nothing_there(scope), request.id, scope["path"])
        if scope["method"] != route.method and (scope["method"], route.method) != ("HEAD", "GET"):
            return problem_reply(_wrong_method(scope, route), request.id, scope["path"])
        try:
            if route.method == "POST":
                request.body = await _read_body(service, request, receive)
            return await route.answer(request)
        except Problem as problem:
            if problem.__cause__ is not None:
                report(problem.__cause__, request.id)
            service.metrics.problems[problem.kind] += 1
            return problem_reply(problem, request.id, scope["path"])
        except _ClientGoneError:
            raise
        except Exception as failure:
            report(failure, request.id)
            service.metrics.problems[INTERNAL_ERROR.kind] += 1
            return problem_reply(INTERNAL_ERROR, request.id, scope["path"])

    def report(failure: BaseException, identity: str) -> None:
        """What failed is for the operator's eyes: the client gets the request id to name it by."""
        error = "".join(traceback.format_exception(failure))
        service.log.write("request failed", "error", request_id=identity, error=error)

    return app


async def _read_body(service: Service, request: Request, receive: Receive) -> bytes:
    """The whole body, within its limits of size and time."""
    limit = service.settings.max_body
    if int(request.headers.get(b"content-length", 0)) > limit:
        raise _body_too_large(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message["body"]
        if len(body) > limit:
            raise _body_too_large(limit)
        return body
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(service.settings.receive_seconds):
            while True:
                if message["type"] == "http.disconnect":
                    raise _ClientGoneError
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limit:
                    raise _body_too_large(limit)
                if not message.get("more_body"):
                    return b"".join(parts)
                message = await receive()
    except TimeoutError:
        detail = f"The body was not complete within {service.settings.receive_seconds:g} s."
        raise Problem("too-slow", detail, headers=CLOSE) from None


async def _write(send: Send, reply: Reply, identity: str, *, with_body: bool) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": reply.status,
            "headers": [
                (b"content-type", reply.content_type),
                (b"content-length", b"%d" % len(reply.body)),
                (b"x-request-id", identity.encode()),
                *reply.headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": reply.body if with_body else b""})


def _nothing_there(scope: Message) -> Problem:
    return Problem("not-found", f"There is no {scope['path']}.")


def _wrong_method(scope: Message, route: Route) -> Problem:
    allowed = "GET, HEAD" if route.method == "GET" else route.method
    return Problem(
        "wrong-method",
        f"{scope['path']} takes {allowed}, not {scope['method']}.",
        headers=((b"allow", allowed.encode()),),
    )


def _body_too_large(limit: int) -> Problem:
    return Problem("too-large", f"The body is larger than {limit:,} bytes.", headers=CLOSE)
