"""The circuit: when the model fails again and again, it is left alone for a while and the fallback answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mldeploy_runtime.shared import Memory


class Circuit:
    """Opens after `failures` requests in a row that the model could answer no row of; it is the same for all workers.

    After `seconds` one request tries the model again: if that fails, the circuit is open for as long once more.
    """

    def __init__(self, memory: Memory, failures: int, seconds: float) -> None:
        self._most = failures
        self._seconds = seconds
        # Failures in a row; until when it is open, 0 for closed; how often it has opened. Workers that write one of
        # them at the same time cost a failure or a trial more or less.
        self._numbers = memory.numbers(3)

    @property
    def is_open(self) -> bool:
        return bool(self._numbers[1])

    @property
    def opened(self) -> int:
        """How often it has opened."""
        return int(self._numbers[2])

    @property
    def wait(self) -> float:
        """Seconds until the model is tried again."""
        return max(0.0, self._numbers[1] - time.monotonic())

    def blocks(self) -> bool:
        """Whether this request must do without the model; of those after the time is up, the first need not."""
        until = self._numbers[1]
        if not until:
            return False
        now = time.monotonic()
        if now < until:
            return True
        self._numbers[1] = now + self._seconds
        return False

    def succeeded(self) -> None:
        if self._numbers[0]:
            self._numbers[0] = 0.0
            self._numbers[1] = 0.0

    def failed(self) -> None:
        self._numbers[0] += 1
        if self._numbers[0] >= self._most:
            self._numbers[2] += not self._numbers[1]
            self._numbers[1] = time.monotonic() + self._seconds
