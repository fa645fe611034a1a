"""Memory that the workers of a container share, and what can be kept in it.

Every process takes the same things from it in the same order, so each finds them at the same place, and nothing but
the memory's descriptor has to be handed on. A process without fellow workers has plain Python memory instead, which
costs less: `Memory(None)`.
"""

from __future__ import annotations

import mmap
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import MutableSequence

# What is never touched takes no room.
SIZE = 64 * 1024 * 1024
DOUBLE = 8

Kind = TypeVar("Kind")


def create_memory() -> int:
    """A descriptor of memory that workers inherit; every byte of it is 0."""
    descriptor = os.memfd_create("mldeploy")
    os.ftruncate(descriptor, SIZE)
    return descriptor


class Memory:
    """Hands out one piece after the other; a piece is never given back."""

    def __init__(self, descriptor: int | None) -> None:
        self._free = None if descriptor is None else memoryview(mmap.mmap(descriptor, SIZE))

    def numbers(self, count: int) -> MutableSequence[float]:
        """`count` floats, 0 at first. One is read and written as a whole; adding to it is two steps, so what several
        workers add to, each does in numbers of its own."""
        if self._free is None:
            return [0.0] * count
        return self.octets(count * DOUBLE).cast("d")  # type: ignore[return-value]  # a view has what is used of it

    def octets(self, count: int) -> memoryview:
        """`count` bytes, 0 at first."""
        if self._free is None:
            return memoryview(bytearray(count))
        piece, self._free = self._free[:count], self._free[count + -count % DOUBLE :]
        if len(piece) < count:
            raise MemoryError("the workers' shared memory is too small for this model")
        return piece


class Board:
    """A small value that one process writes and all read. Between two writes, reading it costs next to nothing."""

    def __init__(self, memory: Memory, kind: type[Kind], at_first: Kind, size: int = 64 * 1024) -> None:
        self._version = memory.numbers(1)
        self._length = memory.numbers(1)
        self._text = memory.octets(size)
        self._decode = msgspec.json.Decoder(kind).decode
        self._seen = 0.0
        self._value: Any = at_first

    def write(self, value: Any) -> None:
        """Raises ValueError when it is too large, and what was there stays."""
        text = msgspec.json.encode(value)
        if len(text) > len(self._text):
            raise ValueError(f"{len(text):,} bytes are more than the {len(self._text):,} that there are")
        # Odd while it is being written, so that no reader takes half of it.
        self._version[0] += 1
        self._text[: len(text)] = text
        self._length[0] = len(text)
        self._version[0] += 1

    def read(self) -> Any:
        """What was written last; while it is being written, what was there before."""
        version = self._version[0]
        if version == self._seen or version % 2:
            return self._value
        text = bytes(self._text[: int(self._length[0])])
        try:
            value = self._decode(text)
        except msgspec.DecodeError:
            return self._value
        if self._version[0] == version:
            self._seen, self._value = version, value
        return self._value


class Verdict(NamedTuple):
    """Whether one more is allowed. `remaining` more are allowed at once; the next after `wait` seconds, 0 if now;
    all of the burst after `reset` seconds."""

    allowed: bool
    remaining: int
    wait: float
    reset: float


class RateLimiter:
    """How fast each of many callers may go, in all workers together. It keeps no more than `callers` of them.

    The generic cell rate algorithm (ATM Forum TM 4.0): of a caller one time is kept, at which all it has taken will
    have been earned again. When there are too many callers, the one that has rested longest is forgotten.

    Two workers that decide on one caller within the same microsecond may count one request instead of two: a lock
    would cost every request more than that is worth to a shield.
    """

    WAYS = 4

    def __init__(self, memory: Memory, callers: int = 16_384) -> None:
        self._sets = callers // self.WAYS
        # Pairs of a caller's mark and its time.
        self._cells = memory.numbers(2 * self.WAYS * self._sets)

    def take(self, caller: str | bytes, rate: float, burst: float, now: float | None = None) -> Verdict:
        """Count one request of `caller`, which may send `rate` a second, and `burst` at once. `now` is a time of
        `time.monotonic`, which is the same in all processes."""
        if now is None:
            now = time.monotonic()
        interval = 1.0 / rate
        at = self._find(caller)
        earned = max(self._cells[at], now)
        behind = earned + interval - now
        spare = burst * interval - behind
        # A rounding error must not refuse the last request of a burst.
        if spare < -1e-9:
            return Verdict(False, 0, -spare, earned - now)
        self._cells[at] = earned + interval
        return Verdict(True, int(spare * rate + 1e-6), 0.0, behind)

    def _find(self, caller: str | bytes) -> int:
        """The index of the caller's time. Workers have one hash seed, so they agree on it."""
        mark = (hash(caller) & (2**52 - 1)) or 1
        cells = self._cells
        start = 2 * self.WAYS * (mark % self._sets)
        if cells[start] == mark:
            return start + 1
        places = range(start, start + 2 * self.WAYS, 2)
        for place in places:
            if cells[place] == mark:
                return place + 1
        place = min(places, key=lambda place: cells[place + 1])
        cells[place + 1] = 0.0
        cells[place] = mark
        return place + 1
