"""uvicorn's HTTP/1.1 protocol with a time limit for the head of a request, which uvicorn itself has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from asyncio import TimerHandle, Transport


def protocol_with(head_seconds: float) -> type[HttpToolsProtocol]:
    """A protocol that closes a connection on which a request's head is not complete in `head_seconds`.

    Most heads come in one piece: a timer is set only for one that did not, and for a connection's first.
    """

    class Protocol(HttpToolsProtocol):
        _head_is_due = True
        _deadline: TimerHandle | None = None

        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._set_deadline()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._head_is_due != (self._deadline is not None):
                self._set_deadline()

        def on_message_begin(self) -> None:
            self._head_is_due = True
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._head_is_due = False
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_is_due = False
            self._set_deadline()
            super().connection_lost(exc)

        def _set_deadline(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
            self._deadline = self.loop.call_later(head_seconds, self.transport.close) if self._head_is_due else None

    return Protocol
