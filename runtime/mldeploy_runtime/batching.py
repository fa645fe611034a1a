"""Requests that wait in the same turn of the event loop share one run of the graph.

The first to arrive schedules the run for the end of the turn, so nobody waits for a timer: alone, a request is
answered as fast as without batching, and under load the cost of a run is shared.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mldeploy_runtime.contract import Row
    from mldeploy_runtime.predictions import Raw

Run = "Callable[[Sequence[Row]], list[Raw]]"


class Batcher:
    """Collects rows of requests and runs them together, at most `max_rows` a run unless one request has more."""

    def __init__(self, run: Callable[[Sequence[Row]], list[Raw]], max_rows: int) -> None:
        self._run = run
        self._max_rows = max_rows
        self._waiting: list[tuple[list[Row], asyncio.Future[list[Raw]]]] = []

    def submit(self, rows: list[Row]) -> asyncio.Future[list[Raw]]:
        """One answer a row, in order. The future raises what the graph raised on these rows."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._flush)
        future = loop.create_future()
        self._waiting.append((rows, future))
        return future

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        while waiting:
            count = self._fitting(waiting)
            self._answer(waiting[:count])
            waiting = waiting[count:]

    def _fitting(self, waiting: list[tuple[list[Row], asyncio.Future[list[Raw]]]]) -> int:
        """How many of the first requests make one run."""
        total = 0
        for count, (rows, _) in enumerate(waiting):
            total += len(rows)
            if total > self._max_rows:
                return max(count, 1)
        return len(waiting)

    def _answer(self, batch: list[tuple[list[Row], asyncio.Future[list[Raw]]]]) -> None:
        try:
            raws = self._run([row for rows, _ in batch for row in rows])
        except Exception as failure:
            if len(batch) == 1:
                _settle(batch[0][1], failure)
                return
            # One request's rows must not fail the others that happened to share its run.
            for request in batch:
                self._answer([request])
            return
        start = 0
        for rows, future in batch:
            _settle(future, raws[start : start + len(rows)])
            start += len(rows)


def _settle(future: asyncio.Future[list[Raw]], outcome: list[Raw] | Exception) -> None:
    """The request may have gone away meanwhile."""
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
