"""uvicorn's HTTP/1.1 protocol with the limits that a slow or endless client meets, which uvicorn itself has not."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mldeploy_runtime.http.messages import Request, head_of, problem_reply, request_id
from mldeploy_runtime.problems import Problem

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport

MOST_HEAD_BYTES = 64 * 1024
# The application answers a body that does not come, and has this long to do so before the connection is closed.
GRACE_SECONDS = 1.0


def protocol_with(receive_seconds: float, send_seconds: float) -> type[HttpToolsProtocol]:
    """A protocol that closes a connection on which a request's head, and then its body, does not come within
    `receive_seconds` each, or whose client does not take an answer within `send_seconds`.

    Most requests come in one piece: a timer is set only for one that did not, and for a connection's first.
    """

    class Protocol(HttpToolsProtocol):
        # What is being received, and for what the timer was set: "head", "body" or, between requests, nothing.
        _due = "head"
        _timed = ""
        _timer: TimerHandle | None = None
        _send_timer: TimerHandle | None = None
        _head_bytes = 0

        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._set_timer()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._due != self._timed:
                self._set_timer()
            if self._due == "head":
                self._head_bytes += len(data)
                if self._head_bytes > MOST_HEAD_BYTES and not self.transport.is_closing():
                    self._refuse(Problem("head-too-large", f"The head is larger than {MOST_HEAD_BYTES:,} bytes."))

        def on_message_begin(self) -> None:
            self._due = "head"
            self._head_bytes = 0
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._due = "body"
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._due = ""
            super().on_message_complete()

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
            if self._send_timer is not None:
                self._send_timer.cancel()
            super().connection_lost(exc)

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
            request = Request(request_id(None), {})
            reply = problem_reply(problem, request.id, "")
            status = HTTPStatus(reply.status)
            lines = [*head_of(reply, request), (b"connection", b"close")]
            head = b"".join(b"%b: %b\r\n" % line for line in lines)
            start = f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()
            self.transport.write(start + head + b"\r\n" + reply.body)
            self.transport.close()

    return Protocol
