"""The log: JSON lines on standard output. Writing one never blocks a request.

Lines of the same turn of the event loop are written together. When what reads the log is slower than the server,
lines wait up to a limit; beyond it they are dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
from datetime import UTC, datetime
from typing import Any

import msgspec

STANDARD_OUTPUT = 1
MOST_WAITING_BYTES = 1024 * 1024
TRY_AGAIN_SECONDS = 0.05


class RequestLine(msgspec.Struct, gc=False):
    """`ms` is the time from the request's head to its answer, `key` the name of the key that came with it."""

    time: datetime
    request_id: str
    method: str
    path: str
    status: int
    rows: int
    ms: float
    key: str = ""
    level: str = "info"
    event: str = "request"


class Log:
    """One line a call of `write`; `dropped` counts the lines that were lost."""

    def __init__(self, descriptor: int = STANDARD_OUTPUT) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._encode = msgspec.json.Encoder().encode
        self._waiting = bytearray()
        self._scheduled = False
        # A container's output is a pipe of its own; a terminal is shared and must stay as it is.
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            os.set_blocking(descriptor, False)

    def write(self, event: str, level: str = "info", **fields: Any) -> None:
        """Called on the event loop; the line is written at the end of its turn."""
        self._add({"time": datetime.now(UTC), "level": level, "event": event, **fields})

    def request(self, request_id: str, method: str, path: str, status: int, rows: int, ms: float, key: str) -> None:
        """The line of one request, which is to cost as little as it can."""
        self._add(RequestLine(datetime.now(UTC), request_id, method, path, status, rows, ms, key))

    def _add(self, line: dict[str, Any] | RequestLine) -> None:
        if len(self._waiting) > MOST_WAITING_BYTES:
            self.dropped += 1
            return
        self._waiting += self._encode(line)
        self._waiting += b"\n"
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Write what waits, as far as the reader takes it; the rest is tried again."""
        self._scheduled = False
        try:
            written = os.write(self._descriptor, self._waiting)
        except BlockingIOError:
            written = 0
        except OSError:  # nobody reads any more
            self.dropped += self._waiting.count(b"\n")
            written = len(self._waiting)
        del self._waiting[:written]
        if self._waiting:
            self._scheduled = True
            asyncio.get_running_loop().call_later(TRY_AGAIN_SECONDS, self.flush)


class Handler(logging.Handler):
    """Puts what libraries log into our log."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        fields = {"error": logging.Formatter().formatException(record.exc_info)} if record.exc_info else {}
        self._log.write(record.getMessage(), record.levelname.lower(), logger=record.name, **fields)
