"""The log: JSON lines on standard output. Writing one never blocks a request.

Lines of the same turn of the event loop are written together. When what reads the log is slower than the server,
lines wait up to a limit; beyond it they are dropped and counted. Workers share the output: a pipe takes so many bytes
as one piece, and no line is longer.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import os
import select
import stat
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import MutableSequence

STANDARD_OUTPUT = 1
MOST_WAITING_BYTES = 1024 * 1024
TRY_AGAIN_SECONDS = 0.05
# What a caller names is cut to this on its line.
MOST_NAME_CHARACTERS = 200
# Of one character, in JSON: those of a control character.
MOST_BYTES = len(b"\\u0000")


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
    """One line a call of `write`; `lost` counts the lines that were dropped."""

    def __init__(self, descriptor: int = STANDARD_OUTPUT) -> None:
        self.lost: MutableSequence[float] = [0.0]
        self._descriptor = descriptor
        self._encode = msgspec.json.Encoder().encode
        self._waiting = bytearray()
        self._scheduled = False
        # A container's output is a pipe of its own; a terminal is shared and must stay as it is.
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            os.set_blocking(descriptor, False)

    def write(self, event: str, level: str = "info", **fields: Any) -> None:
        """Called on the event loop; the line is written at the end of its turn. Its longest texts are cut as far as
        it would be longer than one piece."""
        line: dict[str, Any] = {"time": datetime.now(UTC), "level": level, "event": event, **fields}
        texts = [name for name, value in line.items() if isinstance(value, str)]
        encoded = self._encode(line)
        while (surplus := len(encoded) + 1 - select.PIPE_BUF) > 0:
            name = max(texts, key=lambda name: len(line[name]))
            text = line[name]
            if not text:
                break
            # Half of it at least stays, so that of two long ones neither is lost.
            kept = min(max(len(text) // 2, len(text) - math.ceil(surplus / MOST_BYTES)), select.PIPE_BUF)
            # An error says at its end what failed.
            line[name] = text[len(text) - kept :] if name == "error" else text[:kept]
            encoded = self._encode(line)
        self._add(encoded)

    def request(self, request_id: str, method: str, path: str, status: int, rows: int, ms: float, key: str) -> None:
        """The line of one request, which is to cost as little as it can."""
        path, key = path[:MOST_NAME_CHARACTERS], key[:MOST_NAME_CHARACTERS]
        self._add(self._encode(RequestLine(datetime.now(UTC), request_id, method, path, status, rows, ms, key)))

    def _add(self, line: bytes) -> None:
        if len(self._waiting) > MOST_WAITING_BYTES:
            self.lost[0] += 1
            return
        self._waiting += line
        self._waiting += b"\n"
        if not self._scheduled:
            asyncio.get_running_loop().call_soon(self.flush)
            self._scheduled = True

    def flush(self) -> None:
        """Write what waits, as far as the reader takes it; the rest is tried again."""
        self._scheduled = False
        waiting, start = self._waiting, 0
        try:
            while start < len(waiting):
                # Whole lines in a piece that is not mixed with those of other workers.
                end = waiting.rfind(b"\n", start, start + select.PIPE_BUF) + 1
                start += os.write(self._descriptor, waiting[start : end or start + select.PIPE_BUF])
        except BlockingIOError:
            pass
        except OSError:  # nobody reads any more
            self.lost[0] += waiting.count(b"\n", start)
            start = len(waiting)
        del waiting[:start]
        if waiting:
            self._scheduled = True
            asyncio.get_running_loop().call_later(TRY_AGAIN_SECONDS, self.flush)


class Handler(logging.Handler):
    """Puts what libraries log into our log, from whatever thread they do. It is made on the event loop, and raises
    nothing into who logs."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            fields = {"error": logging.Formatter().formatException(record.exc_info)} if record.exc_info else {}
            write = functools.partial(
                self._log.write, record.getMessage(), record.levelname.lower(), logger=record.name, **fields
            )
            if threading.get_ident() == self._thread:
                write()
            else:
                self._loop.call_soon_threadsafe(write)
        except Exception:
            self.handleError(record)
