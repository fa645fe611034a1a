"""Sharing runs between requests: each gets its own answers, in time, or is told at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mldeploy_runtime.batching import Batcher, Limits
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


def test_a_request_that_fails_does_so_alone() -> None:
    async def procedure() -> list[Any]:
        batcher = Batcher(Model(), Limits())
        return await asyncio.gather(*(batcher.submit(rows(value)) for value in (1, -1, 2)), return_exceptions=True)

    first, second, third = run(procedure)
    assert (first, third) == (rows(2), rows(4))
    assert isinstance(second, ValueError)


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
