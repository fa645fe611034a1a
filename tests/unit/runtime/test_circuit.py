"""The circuit opens after failures in a row, lets one request try, and closes when that succeeds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from mldeploy_runtime.circuit import Circuit
from mldeploy_runtime.shared import Memory

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [100.0]

    def add(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return add


@pytest.mark.usefixtures("pass_time")
def test_only_failures_in_a_row_open_it() -> None:
    circuit = Circuit(Memory(None), failures=3, seconds=5.0)
    for _ in range(2):
        circuit.failed()
    circuit.succeeded()
    for _ in range(2):
        circuit.failed()
    assert not circuit.is_open
    circuit.failed()
    assert circuit.is_open
    assert circuit.blocks()
    assert circuit.wait == 5.0


def test_after_its_time_one_request_tries_and_its_success_closes_it(pass_time: Callable[[float], None]) -> None:
    circuit = Circuit(Memory(None), failures=1, seconds=5.0)
    circuit.failed()
    pass_time(5.0)
    assert [circuit.blocks(), circuit.blocks()] == [False, True]
    circuit.succeeded()
    assert (circuit.is_open, circuit.blocks(), circuit.opened) == (False, False, 1)


def test_a_try_that_fails_keeps_it_open_as_long_again(pass_time: Callable[[float], None]) -> None:
    circuit = Circuit(Memory(None), failures=1, seconds=5.0)
    circuit.failed()
    pass_time(6.0)
    assert not circuit.blocks()
    circuit.failed()
    pass_time(4.9)
    assert circuit.blocks()
    pass_time(0.1)
    assert not circuit.blocks()
    assert circuit.opened == 1
