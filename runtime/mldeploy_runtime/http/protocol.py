"""uvicorn's HTTP/1.1 protocol with the limits that a slow or endless client meets, which uvicorn itself has not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mldeploy_runtime.http.gate import answer_to
from mldeploy_runtime.problems import Problem

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport

    from mldeploy_runtime.http.express import Express
    from mldeploy_runtime.http.gate import Gate

MOST_HEAD_BYTES = 64 * 1024
# The application answers a body that does not come, and has this long to do so before the connection is closed.
GRACE_SECONDS = 1.0
# Most clients send the head and the body of a request one after the other.
HOLD_SECONDS = 0.05
# How soon one that was at work when it would have been idle for too long is looked at again.
LOOK_SECONDS = 1.0


def protocol_with(receive_seconds: float, send_seconds: float, gate: Gate, express: Express) -> type[HttpToolsProtocol]:
    """A protocol that closes a connection on which a request's head, and then its body, does not come within
    `receive_seconds` each, or whose client does not take an answer within `send_seconds`. What `gate` does not admit
    is read, thrown away and refused by the protocol itself. What `express` takes and comes soon goes to it; of all
    else, uvicorn and the application see what they always see.

    Most requests come in one piece: a timer is set only for one that did not, and for a connection's first.
    """

    class Protocol(HttpToolsProtocol):
        # What is being received, and for what the timer was set: "head", "body" or, between requests, nothing; or the
        # timer is an earlier request's.
        _due = "head"
        _timed = ""
        _timer: TimerHandle | None = None
        _send_timer: TimerHandle | None = None
        _head_bytes = 0
        _idle_timer: TimerHandle | None = None
        _idle_since = 0.0
        _refuses = False
        # Held back from uvicorn, until all of it has come or has not come soon: the head's lines by name, and the body.
        _is_held = False
        _hold_timer: TimerHandle | None = None
        _lines: dict[bytes, bytes]
        _body = b""

        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._set_timer()
            self._idle_timer = self.loop.call_later(self.timeout_keep_alive, self._close_if_idle)

        def data_received(self, data: bytes) -> None:
            begun = time.perf_counter()
            super().data_received(data)
            if gate.has_refused:
                gate.account(time.perf_counter() - begun)
            if self._is_held and self._hold_timer is None:
                self._hold_timer = self.loop.call_later(HOLD_SECONDS, self._give_up_holding)
            if self._due != self._timed:
                self._set_timer()
            if self._due == "head":
                self._head_bytes += len(data)
                if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
                    self._refuse(Problem("head-too-large", f"The head is larger than {MOST_HEAD_BYTES:,} bytes."))

        def on_message_begin(self) -> None:
            self._due = "head"
            if self._timed:
                self._timed = "earlier"
            self._head_bytes = 0
            self.url = self._body = b""
            self.headers = []
            self.expect_100_continue = False

        def on_headers_complete(self) -> None:
            self._due = "body"
            is_first = self.cycle is None or self.cycle.response_complete
            self._refuses = (
                is_first
                and not self.expect_100_continue
                and not gate.admits(self.url)
                and self.parser.get_method() == b"POST"
                and not self.flow.write_paused
            )
            if self._refuses:
                return
            self._lines = dict(self.headers)
            self._is_held = (
                is_first
                and not self.flow.write_paused
                and express.takes(self.url, self.parser.get_method(), self._lines)
                and self.parser.get_http_version() == "1.1"
            )
            if not self._is_held:
                self._hand_over()

        def on_body(self, body: bytes) -> None:
            if self._is_held:
                self._body = self._body + body if self._body else body
            elif not self._refuses:
                super().on_body(body)

        def on_message_complete(self) -> None:
            self._due = ""
            if self._is_held:
                self._stop_holding()
                express.begin(self, self._lines, self._body, keep_alive=self.parser.should_keep_alive())
            elif not self._refuses:
                super().on_message_complete()
            else:
                self._answer_refused()

        def _hand_over(self) -> None:
            """Let uvicorn have the head, as if it had just come."""
            url, lines, expects = self.url, self.headers, self.expect_100_continue
            super().on_message_begin()
            self.url, self.expect_100_continue = url, expects
            self.headers += lines
            super().on_headers_complete()

        def _stop_holding(self) -> None:
            self._is_held = False
            if self._hold_timer is not None:
                self._hold_timer.cancel()
                self._hold_timer = None

        def _give_up_holding(self) -> None:
            """The rest will come late, if it does."""
            self._stop_holding()
            if self.transport.is_closing():
                return
            self._hand_over()
            if self._body:
                super().on_body(self._body)

        def _answer_refused(self) -> None:
            keep_alive = self.parser.should_keep_alive()
            given = dict(self.headers).get(b"x-request-id")
            self.transport.write(gate.refusal(given, keep_alive=keep_alive))
            if not keep_alive:
                self.transport.close()
            self.on_response_complete()

        def on_response_complete(self) -> None:
            """As uvicorn's, but that a timer which is set and cancelled for each request costs more than one that
            looks now and then."""
            self.server_state.total_requests += 1
            if self.transport.is_closing():
                return
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
            else:
                self._idle_since = self.loop.time()

        def _close_if_idle(self) -> None:
            is_idle = self._due == "" and (self.cycle is None or self.cycle.response_complete)
            spare = self._idle_since + self.timeout_keep_alive - self.loop.time()
            if is_idle and spare <= 0:
                self.transport.close()
            else:
                self._idle_timer = self.loop.call_later(max(spare, LOOK_SECONDS), self._close_if_idle)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._send_timer = self.loop.call_later(send_seconds, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._send_timer is not None:
                self._send_timer.cancel()

        def connection_lost(self, exc: Exception | None) -> None:
            self._due = ""
            self._set_timer()
            self._stop_holding()
            if self._send_timer is not None:
                self._send_timer.cancel()
            if self._idle_timer is not None:
                self._idle_timer.cancel()
            super().connection_lost(exc)

        def shutdown(self) -> None:
            """What is held is work in flight too, which uvicorn does not know."""
            if self._is_held:
                self._give_up_holding()
            super().shutdown()

        def send_400_response(self, msg: str) -> None:
            self._refuse(Problem("malformed-request", msg))

        def _set_timer(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
            self._timed = self._due
            seconds = {"head": receive_seconds, "body": receive_seconds + GRACE_SECONDS}.get(self._due)
            self._timer = None if seconds is None else self.loop.call_later(seconds, self.transport.close)

        def _refuse(self, problem: Problem) -> None:
            """Answer what never becomes a request, and close."""
            self.transport.write(answer_to(problem, "", None, keep_alive=False))
            self.transport.close()

    return Protocol
