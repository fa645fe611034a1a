"""The prediction log: what was asked and what was answered, one JSON line a row, in files under a folder.

The lines of a request of few rows are made at once, on the event loop: made by a thread, they would cost as much of the
interpreter's lock, and hold it when others wait. Those of many rows are made by the thread that writes, a few at a time
so that it lets the event loop go on. It has what waits on the disk four times a second, or sooner when half of the
queue's room is taken. When the disk is full, slow or away, predictions go on; the lines that are lost are counted.
"""

from __future__ import annotations

import asyncio
import hmac
import random
import threading
import time
from collections import deque
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from mldeploy_runtime.bundle import BundleError
from mldeploy_runtime.log_files import Keeper, LogFile

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableSequence, Sequence

    from mldeploy_runtime.bundle import Manifest
    from mldeploy_runtime.contract import Row
    from mldeploy_runtime.logs import Log
    from mldeploy_runtime.settings import Settings

# Places in the numbers: lines written; lost for want of disk; lost because too many waited.
WRITTEN, LOST, OVERFLOWED = range(3)

WRITE_EVERY_SECONDS = 0.25
SWEEP_EVERY_SECONDS = 2.0
MOST_WAITING_BYTES = 16_000_000
# So many lines are made at once, and then the event loop has its turn.
LINES_AT_ONCE = 32
PAUSE_SECONDS = 0.00005
# They are written together, as far as they may be lost together when the disk is full.
WRITE_BYTES = 256 * 1024
CLOSE_SECONDS = 10.0

# Lines, and how many they are.
Piece = tuple[bytes, int]
# What waits of a request: the size of all its lines, those that are made, and what makes the others.
Entry = tuple[int, Piece, "Iterable[Piece]"]


class Line(msgspec.Struct, omit_defaults=True, gc=False):
    """One row of a request: its inputs by field, and the prediction as it was answered."""

    time: datetime
    request_id: str
    version: str
    row: int
    inputs: msgspec.Struct
    output: Any
    key: str = ""
    fallback: bool = False


class PredictionLog:
    """`add` is called on the event loop, `close` at the end; all else happens in threads."""

    def __init__(self, settings: Settings, manifest: Manifest, log: Log, numbers: MutableSequence[float]) -> None:
        """Raises BundleError when the settings name a field that the model has not."""
        wanted = settings.prediction_log
        assert wanted.folder is not None  # noqa: S101 - asked by who makes one
        self._version = manifest.version
        names = [field.name for field in manifest.inputs]
        unknown = (wanted.omit | wanted.hash) - set(names)
        if unknown:
            raise BundleError(f"the prediction log is to hide {min(unknown)!r}, which is no field of the model")
        self._inputs = inputs_type(names)
        self._omit = [place for place, name in enumerate(names) if name in wanted.omit]
        self._hash = [place for place, name in enumerate(names) if name in wanted.hash]
        self._salt = wanted.salt.encode()
        self._sample = wanted.sample
        self._log = log
        self._numbers = numbers
        self._waiting: deque[Entry] = deque()
        # Each is only ever added to, by one thread: the bytes that were put in, and those that were taken out.
        self._added = self._taken = 0
        self._closing, self._wake = threading.Event(), threading.Event()
        self._failure = ""
        self._loop = asyncio.get_running_loop()
        self._encode = msgspec.json.Encoder().encode_lines
        self._file = LogFile(wanted.folder / settings.release, wanted.max_bytes)
        self._keeper = Keeper(wanted.folder, wanted.max_bytes, wanted.keep_days)
        self._writer = threading.Thread(target=self._write, name="prediction-log", daemon=True)
        self._writer.start()
        threading.Thread(target=self._keep, name="prediction-log-keeper", daemon=True).start()

    def add(
        self, request_id: str, key: str, rows: Sequence[Row], predictions: Sequence[Any], *, fallback: bool
    ) -> None:
        """Have the rows of a request written, if it is in the sample and there is room for them to wait."""
        if self._sample < 1.0 and random.random() >= self._sample:  # noqa: S311 - a sample is no secret
            return
        moment = datetime.now(UTC)

        def piece(start: int) -> Piece:
            some = zip(rows[start : start + LINES_AT_ONCE], predictions[start : start + LINES_AT_ONCE], strict=True)
            lines = [
                Line(moment, request_id, self._version, number, self._inputs_of(row), prediction, key, fallback)
                for number, (row, prediction) in enumerate(some, start)
            ]
            return self._encode(lines), len(lines)

        lines, count = first = piece(0)
        size = len(lines)
        rest: Iterable[Piece] = ()
        if len(rows) > count:
            size = size * len(rows) // count  # as far as can be told
            rest = map(piece, range(count, len(rows), LINES_AT_ONCE))
        waiting = self._added - self._taken
        if waiting and waiting + size > MOST_WAITING_BYTES:  # a request that is larger may wait alone
            self._numbers[OVERFLOWED] += len(rows)
            self._wake.set()
            return
        self._added += size
        if waiting + size > MOST_WAITING_BYTES // 2:
            self._wake.set()
        self._waiting.append((size, first, rest))

    def close(self) -> None:
        """Write what waits. It blocks, though not for ever: a disk that hangs must not keep the process."""
        self._closing.set()
        self._wake.set()
        self._writer.join(CLOSE_SECONDS)
        if self._added > self._taken:
            self._log.write("predictions lost at the end", "error", bytes=self._added - self._taken)

    def _write(self) -> None:
        """The writer's thread."""
        closing = False
        while not closing:
            self._wake.wait(WRITE_EVERY_SECONDS)
            self._wake.clear()
            closing = self._closing.is_set()
            # What comes meanwhile is for the next time, so that each time ends with a sync.
            waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
            self._append_all(waiting)
            self._attempt(self._file.sync, 0)
        self._attempt(self._file.close, 0)

    def _append_all(self, entries: list[Entry]) -> None:
        together, count = bytearray(), 0
        for size, first, rest in entries:
            for lines, more in chain((first,), rest):
                together += lines
                count += more
                if len(together) >= WRITE_BYTES:
                    self._append(together, count)
                    together, count = bytearray(), 0
                if rest:
                    time.sleep(PAUSE_SECONDS)
            self._taken += size
        self._append(together, count)

    def _append(self, lines: bytearray, count: int) -> None:
        if count and self._attempt(lambda: self._file.append(lines), count):
            self._numbers[WRITTEN] += count

    def _attempt(self, change: Any, lines: int) -> bool:
        """Whether a change of the file succeeded; says once when that begins to fail, and once when it ends to."""
        try:
            change()
        except OSError as failure:
            self._numbers[LOST] += lines
            if not self._failure:
                self._tell("predictions are not logged", "error", error=str(failure))
            self._failure = str(failure)
            return False
        if self._failure and lines:
            self._failure = ""
            self._tell("predictions are logged again", lost=int(self._numbers[LOST]))
        return True

    def _inputs_of(self, row: Row) -> msgspec.Struct:
        if not (self._omit or self._hash):
            return self._inputs(*row)
        values = list(row)
        for place in self._omit:
            values[place] = UNSET
        for place in self._hash:
            if values[place] is not None and values[place] is not UNSET:
                values[place] = self._hashed(values[place])
        return self._inputs(*values)

    def _hashed(self, value: Any) -> str:
        """HMAC-SHA256 of the value, a string's text or else its JSON; whoever has the salt can compute it too."""
        text = value.encode() if isinstance(value, str) else msgspec.json.encode(value)
        return hmac.digest(self._salt, text, "sha256").hex()

    def _keep(self) -> None:
        """The keeper's thread."""
        failed = False
        while not self._closing.wait(SWEEP_EVERY_SECONDS):
            try:
                self._keeper.sweep()
            except OSError as failure:
                if not failed:
                    self._tell("the prediction log is not tidied", "error", error=str(failure))
                failed = True
            else:
                failed = False

    def _tell(self, event: str, level: str = "info", **fields: Any) -> None:
        self._loop.call_soon_threadsafe(lambda: self._log.write(event, level, **fields))


def inputs_type(names: Sequence[str]) -> type[msgspec.Struct]:
    """A type of as many fields, which are encoded under these names: in half the time that a dict takes."""
    fields = {f"field_{place}": name for place, name in enumerate(names)}
    return msgspec.defstruct("Inputs", list(fields), rename=fields, gc=False)
