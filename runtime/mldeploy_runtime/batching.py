"""Requests that wait in the same turn of the event loop share one run of the graph.

The first to arrive schedules the run for the end of the turn, so nobody waits for a timer: alone, a request is
answered as fast as without batching, and under load the cost of a run is shared. A run that would hold up the loop
goes to a thread; what comes meanwhile waits for it, and no longer than the limits say.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mldeploy_runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mldeploy_runtime.contract import Row
    from mldeploy_runtime.predictions import Raw

    Waiting = tuple[list[Row], asyncio.Future[list[Raw]]]

# How much of the past the estimate of a row's cost keeps from one run to the next, and how many times the estimate
# a run may count for: a run during which the machine did something else says nothing of its cost.
MEMORY = 0.9
MOST_SURPRISE = 2.0
RETRY_SOON = ((b"retry-after", b"1"),)


@dataclass(frozen=True)
class Limits:
    """`shared_rows`: a run takes no further request beyond these. `inline_seconds`: a run estimated longer goes to a
    thread. `queue_requests`, `queue_seconds`: no further request is let in while so many, or so much work, wait for
    the next run. `deadline_seconds`: one that waits for a thread longer than this is given up."""

    shared_rows: int = 1024
    inline_seconds: float = 0.005
    queue_requests: int = 256
    queue_seconds: float = 0.05
    deadline_seconds: float = 10.0


class Batcher:
    """Collects the rows of requests and runs them together. All of it happens on one event loop."""

    def __init__(self, run: Callable[[Sequence[Row]], list[Raw]], limits: Limits) -> None:
        self.runs = 0
        self.run_seconds = 0.0
        self._run = run
        self._limits = limits
        self._waiting: list[Waiting] = []
        self._waiting_rows = 0
        self._scheduled = False
        self._in_thread = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inference")
        self._recent_seconds = 0.0
        self._recent_rows = 0.0

    @property
    def row_seconds(self) -> float:
        """What a row has cost of late; 0 before the first run."""
        return self._recent_seconds / self._recent_rows if self._recent_rows else 0.0

    @property
    def waiting(self) -> int:
        """Requests that wait for the next run."""
        return len(self._waiting)

    def admit(self) -> None:
        """Raises Problem `overloaded` when more work waits than can be done in time."""
        limits = self._limits
        if len(self._waiting) >= limits.queue_requests or self._waiting_rows * self.row_seconds > limits.queue_seconds:
            raise Problem("overloaded", "More work waits than can be done in time.", headers=RETRY_SOON)

    def submit(self, rows: list[Row]) -> asyncio.Future[list[Raw]]:
        """One answer a row, in order; the future raises what the graph raised on these rows, or Problem `deadline`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Raw]] = loop.create_future()
        self._waiting.append((rows, future))
        self._waiting_rows += len(rows)
        if self._in_thread:
            loop.call_later(self._limits.deadline_seconds, _expire, future)
        elif not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        return future

    def _flush(self) -> None:
        self._scheduled = False
        while self._waiting and not self._in_thread:
            batch = self._take()
            rows = [row for request, _ in batch for row in request]
            if len(rows) * self.row_seconds <= self._limits.inline_seconds:
                self._settle(batch, *self._attempt(rows))
            else:
                self._run_in_thread(batch, rows)

    def _take(self) -> list[Waiting]:
        """The requests of the next run: at least one, then as many as share it."""
        total = 0
        for count, (rows, _) in enumerate(self._waiting):
            total += len(rows)
            if total > self._limits.shared_rows and count:
                self._waiting_rows -= total - len(rows)
                batch, self._waiting = self._waiting[:count], self._waiting[count:]
                return batch
        self._waiting_rows = 0
        batch, self._waiting = self._waiting, []
        return batch

    def _attempt(self, rows: list[Row]) -> tuple[list[Raw] | Exception, float]:
        """The answers, or what the graph raised; and the seconds it took."""
        started = time.perf_counter()
        try:
            outcome: list[Raw] | Exception = self._run(rows)
        except Exception as failure:  # whatever it is, it belongs to the requests and not to the loop
            outcome = failure
        return outcome, time.perf_counter() - started

    def _run_in_thread(self, batch: list[Waiting], rows: list[Row]) -> None:
        loop = asyncio.get_running_loop()
        for _, future in batch:
            loop.call_later(self._limits.deadline_seconds, _expire, future)
        self._in_thread = True

        def done(attempt: asyncio.Future[tuple[list[Raw] | Exception, float]]) -> None:
            self._in_thread = False
            self._settle(batch, *attempt.result())
            self._waiting = [(rows, future) for rows, future in self._waiting if not future.done()]
            self._waiting_rows = sum(len(rows) for rows, _ in self._waiting)
            self._flush()

        loop.run_in_executor(self._thread, self._attempt, rows).add_done_callback(done)

    def _settle(self, batch: list[Waiting], outcome: list[Raw] | Exception, seconds: float) -> None:
        count = sum(len(rows) for rows, _ in batch)
        self.runs += 1
        self.run_seconds += seconds
        if self._recent_rows:
            seconds = min(seconds, MOST_SURPRISE * count * self.row_seconds)
        self._recent_seconds = MEMORY * self._recent_seconds + seconds
        self._recent_rows = MEMORY * self._recent_rows + count
        if isinstance(outcome, Exception) and len(batch) > 1:
            # One request's rows must not fail the others that happened to share its run.
            for request in batch:
                self._settle([request], *self._attempt(request[0]))
            return
        start = 0
        for rows, future in batch:
            if not future.done():  # its deadline has passed, or its client has gone
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome[start : start + len(rows)])
            start += len(rows)


def _expire(future: asyncio.Future[list[Raw]]) -> None:
    if not future.done():
        future.set_exception(Problem("deadline", "The model took too long.", headers=RETRY_SOON))
