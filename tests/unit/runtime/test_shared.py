"""What the workers of a container share: one of them writes, the others see it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mldeploy_runtime.shared import Board, Memory, RateLimiter, create_memory
from tests.unit.runtime.server import RUNTIME

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKER = """
import sys
from mldeploy_runtime.shared import Board, Memory, RateLimiter
memory = Memory(int(sys.argv[1]))
numbers, board, limiter = memory.numbers(3), Board(memory, list[str], []), RateLimiter(memory, 64)
numbers[1] += 2.5
board.write([*board.read(), sys.argv[2]])
limiter.take("caller", 1.0, 5.0, now=100.0)
print(numbers[1], *board.read(), limiter.take("caller", 1.0, 5.0, now=100.0).remaining)
"""


@pytest.fixture
def descriptor() -> Iterator[int]:
    made = create_memory()
    yield made
    os.close(made)


@pytest.fixture(params=["shared", "alone"])
def memory(request: pytest.FixtureRequest, descriptor: int) -> Memory:
    return Memory(descriptor if request.param == "shared" else None)


def test_a_worker_sees_what_another_left_in_numbers_boards_and_rates(descriptor: int) -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", WORKER, str(descriptor), name],
            env=os.environ | {"PYTHONPATH": str(RUNTIME), "PYTHONHASHSEED": "7"},
            pass_fds=(descriptor,),
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        for name in ("first", "second")
    ]
    assert said == [["2.5", "first", "3"], ["5.0", "first", "second", "1"]]


def test_a_board_keeps_what_it_had_when_the_new_value_is_too_large(memory: Memory) -> None:
    board = Board(memory, str, "", size=16)
    assert board.read() == ""
    board.write("short")
    with pytest.raises(ValueError, match="more than the 16"):
        board.write("x" * 100)
    assert board.read() == "short"


def test_a_burst_is_allowed_and_then_what_the_rate_earns(memory: Memory) -> None:
    limiter = RateLimiter(memory, 64)
    at_once = [limiter.take("a", 2.0, 4.0, now=10.0) for _ in range(5)]
    assert [verdict.allowed for verdict in at_once] == [True, True, True, True, False]
    assert [verdict.remaining for verdict in at_once] == [3, 2, 1, 0, 0]
    assert at_once[-1].wait == pytest.approx(0.5)
    assert at_once[-1].reset == pytest.approx(2.0)
    assert limiter.take("a", 2.0, 4.0, now=10.5).allowed
    assert not limiter.take("a", 2.0, 4.0, now=10.6).allowed
    assert limiter.take("a", 2.0, 4.0, now=1000.0).remaining == 3


def test_a_caller_does_not_take_from_another(memory: Memory) -> None:
    limiter = RateLimiter(memory, 64)
    limiter.take("a", 1.0, 1.0, now=10.0)
    assert not limiter.take("a", 1.0, 1.0, now=10.0).allowed
    assert limiter.take("b", 1.0, 1.0, now=10.0).allowed


def test_of_too_many_callers_the_one_that_rested_longest_is_forgotten(memory: Memory) -> None:
    limiter = RateLimiter(memory, 4)
    for number, name in enumerate(["first", "second", "third", "fourth"]):
        limiter.take(name, 0.001, 1.0, now=10.0 + number)
    limiter.take("one too many", 0.001, 1.0, now=20.0)
    assert [limiter.take(name, 0.001, 1.0, now=20.0).allowed for name in ("second", "third", "fourth")] == [False] * 3
    assert limiter.take("first", 0.001, 1.0, now=20.0).allowed


def test_memory_that_is_too_small_says_so(descriptor: int) -> None:
    with pytest.raises(MemoryError, match="shared memory"):
        Memory(descriptor).numbers(100_000_000)
