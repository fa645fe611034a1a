"""Requests that wait in the same turn of the event loop share one run of the graph.

The first to arrive schedules the run for the end of the turn, so nobody waits for a timer: alone, a request is
answered as fast as without batching, and under load the cost of a run is shared. A run that would hold up the loop
goes to a thread; what comes meanwhile waits for it, and no longer than the limits say.

What is let in is weighed by all that it costs: decoding and encoding take many times a row's share of the run, and a
request of one row costs about what ten more rows do.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from mldeploy_runtime.cost import Cost
from mldeploy_runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableSequence, Sequence

    from mldeploy_runtime.contract import Row
    from mldeploy_runtime.predictions import Raw

    Outcome = list[Raw | Exception]
    # What a request is told: an answer a row, or why there are none.
    Settle = Callable[[list[Raw] | Exception], None]

# What requests and their rows, and runs and theirs, usually cost; and for how many requests that counts at first: the
# very first find cold caches, and must not have the next refused.
USUAL_REQUEST = (50e-6, 5e-6)
USUAL_RUN = (20e-6, 2e-6)
REQUESTS_AT_FIRST = 0.1
# A moment in which the machine did something else leaves more waiting than may wait at a server that is behind all the
# time: so many times as much may, where a turn was short, or nothing came, within so many seconds.
MOST_BURST = 2.0
BURST_SECONDS = 0.1
SHORT_TURN_SECONDS = 0.01
OVERLOADED = "overloaded"
RETRY_SOON = ((b"retry-after", b"1"),)
# So many runs look for the rows that the graph fails on; what they leave together fails together.
MOST_RUNS_TO_FIND_FAILURES = 1000


@dataclass(frozen=True)
class Limits:
    """`shared_rows`: a run takes no further request beyond these. `inline_seconds`: a run estimated longer goes to a
    thread. `queue_requests`, `queue_seconds`: no further request is let in while so many, or so much work, wait for
    the next run, or twice as much work where the server was not behind just before; what comes during that work waits
    for its end and then for as much again. `deadline_seconds`: one that waits for a thread longer than this is given
    up."""

    shared_rows: int = 1024
    inline_seconds: float = 0.005
    queue_requests: int = 2048
    queue_seconds: float = 0.03
    deadline_seconds: float = 10.0


class _Run(NamedTuple):
    """What came of rows: their outcomes in order, what was raised when they ran together, and the seconds it took."""

    outcome: Outcome
    failure: Exception | None
    seconds: float


class _Waiting:
    """The rows of a request, and whom to tell what came of them, once."""

    __slots__ = ("_deadline", "_tell", "rows")

    def __init__(self, rows: list[Row], tell: Settle) -> None:
        self.rows = rows
        self._tell: Settle | None = tell
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def is_settled(self) -> bool:
        return self._tell is None

    def settle(self, outcome: list[Raw] | Exception) -> None:
        if (tell := self._tell) is not None:
            self._tell = None
            if self._deadline is not None:
                self._deadline.cancel()  # else it would keep the rows until then
            tell(outcome)

    def expire_after(self, seconds: float) -> None:
        """Give it up when so long has passed."""
        problem = Problem("deadline", "The model took too long.", headers=RETRY_SOON)
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(seconds, self.settle, problem)


class RowsFailedError(Exception):
    """The graph failed on rows of a request: `outcome` holds for each row its answer or what was raised."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome

    @property
    def first(self) -> Exception:
        """What was raised for the first row that failed."""
        return next(answer for answer in self.outcome if isinstance(answer, Exception))


def _observe_nothing(_seconds: float) -> None:
    pass


class Batcher:
    """Collects the rows of requests and runs them together. All of it happens on one event loop.

    `observe` is told the seconds of each run, and `queued` holds the number of requests that wait for the next one.
    `run_cost` is that of runs alone; `whole_cost` is that of requests from admission to encoded answer, with whatever
    else the loop did meanwhile but refuse: were that counted, more and more would be.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Row]], list[Raw]],
        limits: Limits,
        observe: Callable[[float], None] = _observe_nothing,
        queued: MutableSequence[float] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._run = run
        self._limits = limits
        self._observe = observe
        self._queued = [0.0] if queued is None else queued
        self._waiting: list[_Waiting] = []
        self._waiting_rows = 0
        self._scheduled = False
        self._in_thread = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inference")
        self._clock = clock
        # When what is now in hand was begun with, when a turn last ended, when the server was last not behind, and
        # whether the whole cost of what is in hand will yet be seen.
        self._begun = self._ended = self._calm = clock()
        self._weighing = False
        self.run_cost = Cost(*USUAL_RUN)
        self.whole_cost = Cost(*USUAL_REQUEST, REQUESTS_AT_FIRST)

    def admit(self) -> None:
        """Raises Problem `overloaded` when more work waits than can be done in time. To be asked before a request is
        decoded, as its decoding is part of the work."""
        if self.is_full():
            raise self.refusal()
        if not (self._waiting or self._in_thread or self._weighing):
            self._begun = now = self._clock()
            if now > self._ended + BURST_SECONDS:
                self._calm = now

    def is_full(self) -> bool:
        """Whether no more is to be let in."""
        limits, waiting = self._limits, len(self._waiting)
        if waiting >= limits.queue_requests:
            return True
        seconds = self.whole_cost.of(waiting, self._waiting_rows)
        if seconds <= limits.queue_seconds:
            return False
        return seconds > MOST_BURST * limits.queue_seconds or self._clock() > self._calm + BURST_SECONDS

    def discount(self, seconds: float) -> None:
        """So long was spent on refusing, which is no part of what answers cost."""
        self._begun += seconds

    def refusal(self) -> Problem:
        """What to answer while it is full."""
        return Problem(OVERLOADED, "More work waits than can be done in time.", headers=RETRY_SOON)

    def submit(self, rows: list[Row]) -> asyncio.Future[list[Raw]]:
        """One answer a row, in order; the future raises RowsFailedError, or Problem `deadline`."""
        future: asyncio.Future[list[Raw]] = asyncio.get_running_loop().create_future()

        def settle(outcome: list[Raw] | Exception) -> None:
            if future.done():  # its client has gone
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.enqueue(rows, settle)
        return future

    def enqueue(self, rows: list[Row], settle: Settle) -> None:
        """Have `settle` told, once and not before this returns: one answer a row, in order, or RowsFailedError, or
        Problem `deadline`. It must not raise."""
        waiting = _Waiting(rows, settle)
        self._waiting.append(waiting)
        self._waiting_rows += len(rows)
        if self._in_thread:
            self._queued[0] = len(self._waiting)
            waiting.expire_after(self._limits.deadline_seconds)
        elif not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        requests_done = rows_done = 0
        while self._waiting and not self._in_thread:
            batch = self._take()
            rows = [row for request in batch for row in request.rows]
            if self.run_cost.of(1, len(rows)) > self._limits.inline_seconds:
                self._run_in_thread(batch, rows)
                continue
            run = self._attempt(rows)
            if run.failure is not None:  # to find out whose it is takes many runs
                self._run_in_thread(batch, rows, run)
                continue
            self._settle(batch, run)
            requests_done += len(batch)
            rows_done += len(rows)
        if requests_done:
            self._weigh_when_encoded(requests_done, rows_done)

    def _weigh_when_encoded(self, requests: int, rows: int) -> None:
        """Observe what was settled at its whole cost: who waits for it goes on, and encodes, before this."""

        def weigh() -> None:
            self._weighing = False
            now = self._clock()
            self.whole_cost.observe(now - self._begun, requests, rows)
            if now < self._begun + SHORT_TURN_SECONDS:
                self._calm = now
            self._begun = self._ended = now

        self._weighing = True
        asyncio.get_running_loop().call_soon(weigh)

    def _take(self) -> list[_Waiting]:
        """The requests of the next run: at least one, then as many as share it."""
        total = 0
        for count, request in enumerate(self._waiting):
            total += len(request.rows)
            if total > self._limits.shared_rows and count:
                self._waiting_rows -= total - len(request.rows)
                batch, self._waiting = self._waiting[:count], self._waiting[count:]
                return batch
        self._waiting_rows = 0
        batch, self._waiting = self._waiting, []
        return batch

    def _attempt(self, rows: list[Row]) -> _Run:
        """One run; when it fails there are no outcomes."""
        started = time.perf_counter()
        outcome: Outcome = []
        failure = None
        try:
            outcome += self._run(rows)
        except Exception as raised:  # whatever it is, it belongs to the requests and not to the loop
            failure = raised
        return _Run(outcome, failure, time.perf_counter() - started)

    def _attempt_all(self, batch: list[_Waiting], rows: list[Row], run: _Run | None) -> _Run:
        """One run, unless it is given, and where it failed as many more as it takes to find what fails."""
        run = run or self._attempt(rows)
        if run.failure is None:
            return run
        return run._replace(outcome=self._around(batch, run.failure, iter(range(MOST_RUNS_TO_FIND_FAILURES))))

    def _around(self, batch: list[_Waiting], failure: Exception, runs_left: Iterator[int]) -> Outcome:
        """The outcome of requests that failed together. An original refuses all rows of a request, a graph fails on
        some."""
        if not isinstance(failure, Problem):
            return self._halves([row for request in batch for row in request.rows], failure, runs_left)
        if len(batch) == 1:
            return [failure] * len(batch[0].rows)
        outcome: Outcome = []
        for request in batch:
            run = self._attempt(request.rows)
            outcome += run.outcome if run.failure is None else self._around([request], run.failure, runs_left)
        return outcome

    def _halves(self, rows: list[Row], failure: Exception, runs_left: Iterator[int]) -> Outcome:
        """The outcome of rows that failed together."""
        if len(rows) == 1:
            return [failure]
        outcome: Outcome = []
        middle = len(rows) // 2
        for half in (rows[:middle], rows[middle:]):
            if next(runs_left, None) is None:
                outcome += [failure] * len(half)
                continue
            run = self._attempt(half)
            outcome += run.outcome if run.failure is None else self._halves(half, run.failure, runs_left)
        return outcome

    def _run_in_thread(self, batch: list[_Waiting], rows: list[Row], failed: _Run | None = None) -> None:
        loop = asyncio.get_running_loop()
        for request in batch:
            request.expire_after(self._limits.deadline_seconds)
        self._in_thread = True

        def done(attempt: asyncio.Future[_Run]) -> None:
            self._in_thread = False
            self._settle(batch, attempt.result())
            self._weigh_when_encoded(len(batch), len(rows))
            self._waiting = [waiting for waiting in self._waiting if not waiting.is_settled]
            self._waiting_rows = sum(len(waiting.rows) for waiting in self._waiting)
            self._flush()
            self._queued[0] = len(self._waiting)

        loop.run_in_executor(self._thread, self._attempt_all, batch, rows, failed).add_done_callback(done)

    def _settle(self, batch: list[_Waiting], run: _Run) -> None:
        self._observe(run.seconds)
        if run.failure is None:
            self.run_cost.observe(run.seconds, 1, len(run.outcome))
        start = 0
        for request in batch:
            end = start + len(request.rows)
            outcome = run.outcome[start:end]
            start = end
            if run.failure is not None and any(isinstance(answer, Exception) for answer in outcome):
                request.settle(RowsFailedError(outcome))
            else:
                request.settle(outcome)  # type: ignore[arg-type]  # answers alone
