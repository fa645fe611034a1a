"""The shortest way of a prediction: JSON for /predict, not too large, is answered without the ASGI application.

All that makes the answer is the application's own: shield, contract, batcher, encoder. What is left out is what uvicorn
and asyncio do for an application, a scope, messages and a task, which takes longer than the model does.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from mldeploy_runtime.container import IN_FLIGHT, REQUESTS
from mldeploy_runtime.http.formats import is_json
from mldeploy_runtime.http.messages import PREDICT, Reply, Request, request_id, whole_answer

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    from mldeploy_runtime.contract import Asked
    from mldeploy_runtime.http.handling import Handling
    from mldeploy_runtime.http.route import Route
    from mldeploy_runtime.predictions import Raw

METHOD, TARGET = "POST", PREDICT.encode()
# What these lines ask for is the application's to do.
UNUSUAL = frozenset([b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"])
# A connection may hold so much of a body that is not complete; the application bounds what all of them do together.
MOST_BODY_BYTES = 64 * 1024


class Express:
    """One worker's."""

    def __init__(self, handling: Handling, route: Route) -> None:
        """`route` is that of /predict."""
        self.handling = handling
        self.service = handling.service
        self.route = route
        self.encode = msgspec.json.Encoder().encode
        self._max_body = min(self.service.settings.max_body, MOST_BODY_BYTES)
        # What a browser is told beside an answer is the application's to say.
        self._is_open = not self.service.settings.cors_origins

    def takes(self, target: bytes, method: bytes, headers: dict[bytes, bytes]) -> bool:
        """Whether a request with this head may go this way, if its body comes soon."""
        return (
            self._is_open
            and target == TARGET
            and method == b"POST"
            and headers.keys().isdisjoint(UNUSUAL)
            and int(headers.get(b"content-length", 0)) <= self._max_body
            and is_json(headers.get(b"content-type"), headers.get(b"accept"))
        )

    def begin(self, protocol: HttpToolsProtocol, headers: dict[bytes, bytes], body: bytes, *, keep_alive: bool) -> None:
        """Have a request answered: at the end of this turn or later, or at once where it is refused."""
        protocol.cycle = exchange = Exchange(self, protocol, headers, keep_alive)  # type: ignore[assignment]
        exchange.begin(body)


class Exchange:
    """A request and its answer. It has what uvicorn's protocol asks of a cycle, and stands in the place of one."""

    __slots__ = (
        "_asked", "_begun", "_express", "_protocol", "_request", "disconnected", "keep_alive", "response_complete",
    )  # fmt: skip

    def __init__(
        self, express: Express, protocol: HttpToolsProtocol, headers: dict[bytes, bytes], keep_alive: bool
    ) -> None:
        self._begun = time.perf_counter()
        self._express = express
        self._protocol = protocol
        peer = protocol.client[0] if protocol.client else ""
        self._request = Request(request_id(headers.get(b"x-request-id")), headers, peer)
        self._asked: Asked
        self.keep_alive = keep_alive
        self.disconnected = self.response_complete = False

    @property
    def message_event(self) -> Exchange:
        """What the protocol sets when the client has gone: nobody waits for it here."""
        return self

    def set(self) -> None:
        pass

    def begin(self, body: bytes) -> None:
        service, request, express = self._express.service, self._request, self._express
        service.numbers[IN_FLIGHT] += 1
        service.numbers[REQUESTS] += 1
        try:
            if express.handling.shield is not None:
                express.handling.shield.check(request, express.route.scope)
            service.admit()
            asked = self._asked = service.contract.decode(body)
            answer = service.answer_without_model(asked, request.id, request.key)
        except Exception as failure:
            self._end(express.handling.reply_to(failure, request, PREDICT))
            return
        if answer is None:
            service.batcher.enqueue(asked.rows, self._settle)
        else:
            self._end(Reply(200, express.encode(answer)))

    def _settle(self, outcome: list[Raw] | Exception) -> None:
        express, request = self._express, self._request
        try:
            answer = express.service.answer(self._asked, outcome, request.id, request.key)
            request.rows = len(answer.predictions)
            reply = Reply(200, express.encode(answer))
        except Exception as failure:
            reply = express.handling.reply_to(failure, request, PREDICT)
        self._end(reply)

    def _end(self, reply: Reply) -> None:
        request, protocol = self._request, self._protocol
        self.response_complete = True
        # Where another request has taken its place, the protocol does not tell it that the client has gone.
        if not (self.disconnected or protocol.transport.is_closing()):
            defaults = protocol.server_state.default_headers
            protocol.transport.write(whole_answer(reply, request, defaults, keep_alive=self.keep_alive))
            if not self.keep_alive:
                protocol.transport.close()
            protocol.on_response_complete()
        self._express.service.numbers[IN_FLIGHT] -= 1
        self._express.handling.account(self._express.route, request, METHOD, PREDICT, reply.status, self._begun)
