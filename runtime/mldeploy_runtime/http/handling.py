"""What every request goes through, on its way to its route and back: the shield, its body, and what may go wrong."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from mldeploy_runtime.http import cors
from mldeploy_runtime.http.bodies import ClientGoneError, body_reader
from mldeploy_runtime.http.messages import Request, problem_reply, request_id
from mldeploy_runtime.http.shield import Shield
from mldeploy_runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mldeploy_runtime.http.messages import Message, Receive, Reply
    from mldeploy_runtime.http.route import Route
    from mldeploy_runtime.service import Service

    Handle = Callable[[Route | None, Request, Message, Receive], Awaitable[Reply]]

INTERNAL_ERROR = Problem("internal-error", "The server could not answer this request.")


def request_of(scope: Message) -> Request:
    """The request of an ASGI scope, its body not yet read."""
    headers = dict(scope["headers"])
    client = scope.get("client")
    return Request(request_id(headers.get(b"x-request-id")), headers, client[0] if client else "")


def build_handler(service: Service) -> Handle:
    """A function that answers a request with its route, whatever comes; it raises ClientGoneError alone."""
    settings, metrics = service.settings, service.metrics
    origins = settings.cors_origins
    shield = Shield(settings, service.container.signer, service.container.limiter, service.log)
    shield_is_up = shield.is_up
    read_body = body_reader(settings)

    async def answer(route: Route | None, request: Request, scope: Message, receive: Receive) -> Reply:
        if origins:
            request.notes = cors.allowing(request, origins)
            if route is not None and cors.is_preflight(request, scope["method"]):
                return cors.preflight(route)
        if shield_is_up and (route is None or route.scope is not None):
            shield.check(request, route.scope if route else None)
        if route is None:
            raise Problem("not-found", f"There is no {scope['path']}.")
        if scope["method"] != route.method and (scope["method"], route.method) != ("HEAD", "GET"):
            raise _wrong_method(scope, route)
        if route.method == "POST":
            request.body = await read_body(request, receive)
        return await route.answer(request)

    async def handle(route: Route | None, request: Request, scope: Message, receive: Receive) -> Reply:
        try:
            return await answer(route, request, scope, receive)
        except Problem as problem:
            if problem.__cause__ is not None:
                report(problem.__cause__, request.id)
            metrics.problems.add(problem.kind)
            return problem_reply(problem, request.id, scope["path"])
        except ClientGoneError:
            raise
        except Exception as failure:
            report(failure, request.id)
            metrics.problems.add(INTERNAL_ERROR.kind)
            return problem_reply(INTERNAL_ERROR, request.id, scope["path"])

    def report(failure: BaseException, identity: str) -> None:
        """What failed is for the operator's eyes: the client gets the request id to name it by."""
        error = "".join(traceback.format_exception(failure))
        service.log.write("request failed", "error", request_id=identity, error=error)

    return handle


def _wrong_method(scope: Message, route: Route) -> Problem:
    allowed = "GET, HEAD" if route.method == "GET" else route.method
    return Problem(
        "wrong-method",
        f"{scope['path']} takes {allowed}, not {scope['method']}.",
        headers=((b"allow", allowed.encode()),),
    )
