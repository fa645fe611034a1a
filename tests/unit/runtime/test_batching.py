"""Sharing runs between requests: each gets its own answers, in time, or is told at once."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from mldeploy_runtime.batching import MOST_RUNS_TO_FIND_FAILURES, Batcher, Limits, RowsFailedError
from mldeploy_runtime.cost import Cost
from mldeploy_runtime.problems import Problem

Rows = Sequence[tuple[Any, ...]]


class Model:
    """Doubles numbers, notes the rows of each run, and fails on a negative one."""

    def __init__(self) -> None:
        self.runs: list[list[int]] = []

    def __call__(self, rows: Rows) -> list[tuple[Any, ...]]:
        self.runs.append([row[0] for row in rows])
        if any(row[0] < 0 for row in rows):
            raise ValueError("negative")
        return [(2 * row[0],) for row in rows]


class SlowModel(Model):
    """A model that runs only once it is told to; it is in a thread then, since the loop goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.started = threading.Event()
        self.may_end = threading.Event()

    def __call__(self, rows: Rows) -> list[tuple[Any, ...]]:
        self.started.set()
        assert self.may_end.wait(20)
        return super().__call__(rows)


def rows(*values: int) -> list[tuple[Any, ...]]:
    return [(value,) for value in values]


def run(procedure: Callable[[], Any]) -> Any:
    return asyncio.run(asyncio.wait_for(procedure(), 20))


async def in_thread(batcher: Batcher, model: SlowModel) -> asyncio.Future[list[tuple[Any, ...]]]:
    """One request that runs in a thread and has not ended: the first run is always inline, and teaches the cost."""
    model.may_end.set()
    await batcher.submit(rows(0))
    model.may_end.clear()
    model.started.clear()
    running = batcher.submit(rows(1))
    await asyncio.to_thread(model.started.wait, 20)
    return running


ALWAYS_IN_THREAD = Limits(inline_seconds=0.0, queue_seconds=100.0)


def test_requests_of_one_turn_share_a_run_and_get_their_own_answers() -> None:
    model = Model()

    async def procedure() -> list[list[tuple[Any, ...]]]:
        batcher = Batcher(model, Limits())
        return await asyncio.gather(*(batcher.submit(rows(*values)) for values in ((1, 2), (3,), (4, 5))))

    assert run(procedure) == [rows(2, 4), rows(6), rows(8, 10)]
    assert model.runs == [[1, 2, 3, 4, 5]]


def test_a_run_takes_no_more_rows_than_the_limit_unless_one_request_has_them() -> None:
    model = Model()

    async def procedure() -> None:
        batcher = Batcher(model, Limits(shared_rows=3))
        await asyncio.gather(*(batcher.submit(rows(*values)) for values in ((1, 2), (3, 4), (5,), (6, 7, 8, 9))))

    run(procedure)
    assert model.runs == [[1, 2], [3, 4, 5], [6, 7, 8, 9]]


def test_a_row_that_fails_does_so_alone_in_its_request_and_in_its_batch() -> None:
    model = Model()

    async def procedure() -> list[Any]:
        batcher = Batcher(model, Limits())
        asked = [rows(1), rows(2, -1, 3), rows(-2), rows(4, 5)]
        return await asyncio.gather(*(batcher.submit(request) for request in asked), return_exceptions=True)

    first, mixed, failed, last = run(procedure)
    assert (first, last) == (rows(2), rows(8, 10))
    assert isinstance(mixed, RowsFailedError)
    assert [mixed.outcome[0], mixed.outcome[2]] == rows(4, 6)
    assert [type(outcome) for outcome in (mixed.outcome[1], *failed.outcome)] == [ValueError, ValueError]
    assert len(model.runs) < 2 * 7, "the rows that fail are looked for by halves"


def test_the_search_for_rows_that_fail_ends_when_all_do() -> None:
    model = Model()

    async def procedure() -> Any:
        return await asyncio.gather(Batcher(model, Limits()).submit(rows(*[-1] * 10_000)), return_exceptions=True)

    [failed] = run(procedure)
    assert len(failed.outcome) == 10_000
    assert all(isinstance(outcome, ValueError) for outcome in failed.outcome)
    assert len(model.runs) == MOST_RUNS_TO_FIND_FAILURES + 1


def test_a_long_run_leaves_the_loop_free_and_what_waits_shares_the_next() -> None:
    model = SlowModel()

    async def procedure() -> list[list[tuple[Any, ...]]]:
        batcher = Batcher(model, ALWAYS_IN_THREAD)
        running = await in_thread(batcher, model)
        waiting = [batcher.submit(rows(2)), batcher.submit(rows(3))]
        model.may_end.set()
        return await asyncio.gather(running, *waiting)

    assert run(procedure) == [rows(2), rows(4), rows(6)]
    assert model.runs == [[0], [1], [2, 3]]


def test_a_run_is_inline_or_in_a_thread_as_what_rows_have_cost_says_and_as_it_is_set() -> None:
    async def procedure(limits: Limits, seconds: float) -> bool:
        """Whether the second run is in a thread, after a first that took so long."""
        threads = []

        def model(asked: Rows) -> list[tuple[Any, ...]]:
            threads.append(threading.current_thread())
            time.sleep(seconds)
            return [*asked]

        batcher = Batcher(model, limits)
        for _ in range(2):
            await batcher.submit(rows(1))
        return threads[1] is not threading.main_thread()

    assert run(lambda: procedure(Limits(inline_seconds=1.0), 0.0)) is False
    assert run(lambda: procedure(Limits(inline_seconds=0.005), 0.02)) is True
    assert run(lambda: procedure(Limits(inline_seconds=0.0), 0.0)) is True
    assert run(lambda: procedure(Limits(inline_seconds=60.0), 0.02)) is False


def test_the_event_loop_is_not_held_up_to_find_the_rows_that_fail() -> None:
    threads = []
    model = Model()

    def noted(asked: Rows) -> list[tuple[Any, ...]]:
        threads.append(threading.current_thread())
        return model(asked)

    async def procedure() -> None:
        with pytest.raises(RowsFailedError):
            await Batcher(noted, Limits()).submit(rows(1, -1, 2))

    run(procedure)
    assert threads[0] is threading.main_thread()
    assert len(threads) > 1
    assert threading.main_thread() not in threads[1:]


def test_a_request_that_an_original_refuses_is_refused_as_a_whole_and_nobody_else() -> None:
    runs: list[Rows] = []

    def original(asked: Rows) -> list[tuple[Any, ...]]:
        runs.append(asked)
        if any(row[0] < 0 for row in asked):
            raise Problem("invalid-input", "The model refuses these rows.")
        return [*asked]

    async def procedure() -> list[Any]:
        batcher = Batcher(original, Limits())
        asked = [rows(*range(100), -1), rows(1, 2)]
        return await asyncio.gather(*(batcher.submit(request) for request in asked), return_exceptions=True)

    refused, answered = run(procedure)
    assert {type(outcome) for outcome in refused.outcome} == {Problem}
    assert answered == rows(1, 2)
    assert [len(asked) for asked in runs] == [103, 101, 2]


@pytest.mark.parametrize("limits", [Limits(0, 0.0, 2, 100.0), Limits(0, 0.0, 100, 0.0)])
def test_more_waiting_than_the_limits_is_refused_until_it_is_done(limits: Limits) -> None:
    model = SlowModel()

    async def procedure() -> Problem:
        batcher = Batcher(model, limits)
        running = await in_thread(batcher, model)
        batcher.admit()
        waiting = [batcher.submit(rows(2)), batcher.submit(rows(3))]
        with pytest.raises(Problem) as caught:
            batcher.admit()
        model.may_end.set()
        await asyncio.gather(running, *waiting)
        batcher.admit()
        return caught.value

    problem = run(procedure)
    assert (problem.kind, problem.headers) == ("overloaded", ((b"retry-after", b"1"),))


def test_what_is_not_answered_by_its_deadline_is_given_up_and_not_run() -> None:
    model = SlowModel()

    async def procedure() -> list[Any]:
        batcher = Batcher(model, Limits(inline_seconds=0.0, queue_seconds=100.0, deadline_seconds=0.05))
        running = await in_thread(batcher, model)
        waiting = batcher.submit(rows(2))
        outcomes = await asyncio.gather(running, waiting, return_exceptions=True)
        model.may_end.set()
        return [*outcomes, await batcher.submit(rows(3))]

    first, second, third = run(procedure)
    assert [first.kind, second.kind] == ["deadline", "deadline"]
    assert third == rows(6)
    assert model.runs == [[0], [1], [3]]


class Kept:
    """Something of which can be told whether anybody still has it."""


def test_what_was_answered_is_kept_no_longer_though_its_deadline_is_far() -> None:
    async def procedure() -> bool:
        batcher = Batcher(lambda asked: [*asked], replace(ALWAYS_IN_THREAD, deadline_seconds=1000.0))
        await batcher.submit(rows(0))
        value = Kept()
        seen = weakref.ref(value)
        await batcher.submit([(value,)])
        del value
        await asyncio.sleep(0)
        gc.collect()
        return seen() is None

    assert run(procedure)


class Clock:
    """A clock that goes on only when work is done."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_work_is_weighed_with_its_decoding_and_encoding_and_not_by_its_run_alone() -> None:
    clock = Clock()

    async def request(batcher: Batcher, count: int) -> float | None:
        """Seconds until the answer to a request of so many rows, none if it was refused."""
        begun = clock.seconds
        try:
            batcher.admit()
        except Problem:
            return None
        clock.seconds += 20e-6 * count  # decoding
        await batcher.submit(rows(*[1] * count))
        clock.seconds += 30e-6 * count  # encoding
        return clock.seconds - begun

    async def procedure() -> list[list[float]]:
        batcher = Batcher(Model(), Limits(shared_rows=300, queue_seconds=0.028), clock=clock)
        for _ in range(50):  # the cost is learned
            await request(batcher, 100)
        answered = []
        for _ in range(5):
            outcomes = await asyncio.gather(*(request(batcher, 100) for _ in range(50)))
            answered.append([seconds for seconds in outcomes if seconds is not None])
        return answered

    first, *_, last = run(procedure)
    assert len(first) == 12, "of 5 ms each: the last is let in while the others are not yet twice 28 ms of work"
    assert len(last) == 6, "and where the server has been behind for a while, not yet 28 ms"
    assert max(last) < 0.035


@pytest.mark.parametrize("away", [0.02, 60.0], ids=["for a moment", "for a minute"])
def test_while_the_machine_was_away_nothing_is_learned_that_has_requests_refused(away: float) -> None:
    clock = Clock()

    async def procedure() -> float:
        batcher = Batcher(Model(), Limits(), clock=clock)

        async def answer(count: int, seconds: float) -> None:
            batcher.admit()
            clock.seconds += seconds
            await asyncio.gather(*(batcher.submit(rows(1)) for _ in range(count)))
            await asyncio.sleep(0)

        for _ in range(5000):
            await answer(4, 0.0002)
        await answer(300, 0.015 + away)
        return batcher.whole_cost.of(300, 300)

    assert run(procedure) == pytest.approx(300 * 50e-6, rel=0.1)


def test_more_may_wait_at_a_server_that_was_not_behind_just_before() -> None:
    clock, model = Clock(), SlowModel()

    async def procedure() -> list[bool]:
        batcher = Batcher(model, Limits(inline_seconds=0.0, queue_seconds=0.03), clock=clock)
        running = await in_thread(batcher, model)
        batcher.whole_cost = Cost(0.01, 1e-9)
        waiting = [batcher.submit(rows(1)) for _ in range(4)]
        found = [batcher.is_full()]
        clock.seconds = 0.2
        found.append(batcher.is_full())
        clock.seconds = 0.0
        waiting += [batcher.submit(rows(1)) for _ in range(3)]
        found.append(batcher.is_full())
        model.may_end.set()
        await asyncio.gather(running, *waiting)
        return found

    assert run(procedure) == [False, True, True]


def test_a_request_that_was_let_in_and_not_answered_does_not_count_as_work() -> None:
    clock = Clock()

    async def procedure() -> float:
        batcher = Batcher(Model(), Limits(), clock=clock)
        for _ in range(50):
            batcher.admit()  # and then its decoding fails
            clock.seconds += 60.0
            batcher.admit()
            clock.seconds += 0.001
            await batcher.submit(rows(1))
            await asyncio.sleep(0)
        return batcher.whole_cost.of(1, 1)

    assert run(procedure) == pytest.approx(0.001, rel=0.1)
