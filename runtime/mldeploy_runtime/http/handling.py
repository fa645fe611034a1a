"""What every request goes through, on its way to its route and back: the shield, its body, and what may go wrong."""

from __future__ import annotations

import time
import traceback
from typing import TYPE_CHECKING

from mldeploy_runtime.http import cors
from mldeploy_runtime.http.bodies import ClientGoneError, body_reader
from mldeploy_runtime.http.messages import Request, problem_reply, request_id
from mldeploy_runtime.http.shield import Shield
from mldeploy_runtime.metrics import OTHER
from mldeploy_runtime.problems import Problem

if TYPE_CHECKING:
    from mldeploy_runtime.http.messages import Message, Receive, Reply
    from mldeploy_runtime.http.route import Route
    from mldeploy_runtime.service import Service

INTERNAL_ERROR = Problem("internal-error", "The server could not answer this request.")


def request_of(scope: Message) -> Request:
    """The request of an ASGI scope, its body not yet read."""
    headers = dict(scope["headers"])
    client = scope.get("client")
    return Request(request_id(headers.get(b"x-request-id")), headers, client[0] if client else "")


class Handling:
    """One worker's. `shield` is None where there is nothing to check."""

    def __init__(self, service: Service) -> None:
        """Raises SettingsError when a file of the settings cannot be used."""
        settings, container = service.settings, service.container
        shield = Shield(settings, container.signer, container.limiter, service.log)
        self.service = service
        self.shield = shield if shield.is_up else None
        self._origins = settings.cors_origins
        self._log_requests = settings.log_requests
        self._read_body = body_reader(settings)

    async def handle(self, route: Route | None, request: Request, scope: Message, receive: Receive) -> Reply:
        """Answer a request with its route, whatever comes; raises ClientGoneError alone."""
        try:
            return await self._answer(route, request, scope, receive)
        except ClientGoneError:
            raise
        except Exception as failure:
            return self.reply_to(failure, request, scope["path"])

    def reply_to(self, failure: Exception, request: Request, path: str) -> Reply:
        """The reply where there is no answer. What failed is for the operator's eyes: the client gets the request's id
        to name it by."""
        problem = failure if isinstance(failure, Problem) else INTERNAL_ERROR
        cause = failure.__cause__ if problem is failure else failure
        if cause is not None:
            error = "".join(traceback.format_exception(cause))
            self.service.log.write("request failed", "error", request_id=request.id, error=error)
        self.service.metrics.problems.add(problem.kind)
        return problem_reply(problem, request.id, path)

    async def _answer(self, route: Route | None, request: Request, scope: Message, receive: Receive) -> Reply:
        if self._origins:
            request.notes = cors.allowing(request, self._origins)
            if route is not None and cors.is_preflight(request, scope["method"]):
                return cors.preflight(route)
        if self.shield is not None and (route is None or route.scope is not None):
            self.shield.check(request, route.scope if route else None)
        if route is None:
            raise Problem("not-found", f"There is no {scope['path']}.")
        if scope["method"] != route.method and (scope["method"], route.method) != ("HEAD", "GET"):
            raise _wrong_method(scope, route)
        if route.method == "POST":
            request.body = await self._read_body(request, receive)
        return await route.answer(request)

    def account(self, route: Route | None, request: Request, method: str, path: str, status: int, begun: float) -> None:
        """Count a request that was answered, and log it if it was work or went nowhere; `begun` is a time of
        `time.perf_counter`."""
        seconds = time.perf_counter() - begun
        service = self.service
        service.traffic.request(path if route else OTHER, status, seconds)
        if self._log_requests and (route is None or route.counted):
            ms = round(seconds * 1000, 3)
            service.log.request(request.id, method, path, status, request.rows, ms, request.key)


def _wrong_method(scope: Message, route: Route) -> Problem:
    allowed = "GET, HEAD" if route.method == "GET" else route.method
    return Problem(
        "wrong-method",
        f"{scope['path']} takes {allowed}, not {scope['method']}.",
        headers=((b"allow", allowed.encode()),),
    )
