"""Refuses predictions before anything is made of them, while the server is behind: for one row, all that is made of a
request before it is decoded costs as much as answering it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy_runtime.batching import OVERLOADED
from mldeploy_runtime.container import REQUESTS
from mldeploy_runtime.http.messages import PREDICT, Request, problem_reply, request_id, whole_answer

if TYPE_CHECKING:
    from mldeploy_runtime.problems import Problem
    from mldeploy_runtime.service import Service

TARGET = PREDICT.encode()


class Gate:
    """One worker's."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.has_refused = False
        # A browser needs to be told more of an answer than that it is a refusal.
        self._is_open = bool(service.settings.cors_origins)

    def admits(self, target: bytes) -> bool:
        """Whether a request of this target is to be answered and not refused."""
        return target != TARGET or self._is_open or not self._service.batcher.is_full()

    def account(self, seconds: float) -> None:
        """A piece of a connection, in which some were refused, was read for so long."""
        self.has_refused = False
        self._service.batcher.discount(seconds)

    def refusal(self, given: bytes | None, *, keep_alive: bool) -> bytes:
        """The answer to one that is not admitted and came with the id `given`. How long answers take
        is told without it."""
        service = self._service
        self.has_refused = True
        service.metrics.problems.add(OVERLOADED)
        service.numbers[REQUESTS] += 1
        service.traffic.requests.add((PREDICT, 503))
        return answer_to(service.batcher.refusal(), PREDICT, given, keep_alive=keep_alive)


def answer_to(problem: Problem, path: str, given: bytes | None, *, keep_alive: bool) -> bytes:
    """The whole answer, for what never comes to the application; `given` is the id that the client gave it."""
    request = Request(request_id(given), {})
    return whole_answer(problem_reply(problem, request.id, path), request, keep_alive=keep_alive)
