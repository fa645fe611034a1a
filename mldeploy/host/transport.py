"""An SSH transport that gives a silent host up; paramiko's own would wait for it without end."""

from __future__ import annotations

import threading
import time
from typing import Any

import paramiko

KEEPALIVE_SECONDS = 5
SILENCE_SECONDS = 30
"""A host from which nothing comes for so long, although it was asked, is lost."""


class Transport(paramiko.Transport):
    """A transport that asks its host regularly whether it is there, from `start_asking` on.

    When the host falls silent all that waits for it fails, as when the connection breaks.
    """

    def __init__(self, sock: Any, **options: Any) -> None:
        self._line = _Line(sock)
        self._asking = threading.Lock()
        super().__init__(self._line, **options)  # type: ignore[arg-type]  # it is used as the socket that it holds

    def start_asking(self) -> None:
        threading.Thread(target=self._ask, name="ssh keepalive", daemon=True).start()

    def global_request(self, kind: str, data: Any = None, wait: bool = True) -> Any:
        """As paramiko's, but one at a time: it would take the answer to one for that to another."""
        with self._asking:
            return super().global_request(kind, data, wait)

    def _ask(self) -> None:
        while self.is_active():
            self._line.expect()
            try:
                self.global_request("keepalive@openssh.com")
            except (OSError, EOFError, paramiko.SSHException):
                return
            time.sleep(KEEPALIVE_SECONDS)


class _Line:
    """A socket that ends when it was to receive something and nothing came for SILENCE_SECONDS.

    Anything that comes will do: on a slow line the answer itself may wait behind an image for longer.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._expecting_since: float | None = None

    def expect(self) -> None:
        self._expecting_since = time.monotonic()

    def recv(self, size: int) -> bytes:
        try:
            received: bytes = self._sock.recv(size)
        except TimeoutError:
            self._end_if_silent()
            raise
        self._expecting_since = None
        return received

    def send(self, content: bytes) -> int:
        try:
            sent: int = self._sock.send(content)
        except TimeoutError:
            self._end_if_silent()
            raise
        return sent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def _end_if_silent(self) -> None:
        since = self._expecting_since
        if since is not None and time.monotonic() - since > SILENCE_SECONDS:
            raise EOFError(f"nothing came for {SILENCE_SECONDS} s")
