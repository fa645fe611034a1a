"""Estimates of what requests, runs and their rows cost."""

from __future__ import annotations

import pytest

from mldeploy_runtime.batching import Limits
from mldeploy_runtime.cost import Cost


def test_the_cost_of_requests_and_of_their_rows_is_told_apart() -> None:
    cost = Cost(50e-6, 5e-6)
    for turn in range(200):
        requests, rows = (3, 3) if turn % 2 else (2, 700)
        cost.observe(requests * 40e-6 + rows * 4e-6, requests, rows)
    assert cost.each == pytest.approx(40e-6, rel=0.05)
    assert cost.row == pytest.approx(4e-6, rel=0.05)


@pytest.mark.parametrize("rows", [1, 500])
@pytest.mark.parametrize("seconds", [20e-6, 0.02])
def test_requests_alike_cost_what_they_did_and_their_rows_a_part_of_it(rows: int, seconds: float) -> None:
    cost = Cost(50e-6, 5e-6)
    for count in (1, 5, 300):
        cost.observe(count * seconds, count, count * rows)
    assert cost.of(1, rows) == pytest.approx(seconds, rel=0.01)
    assert cost.each > 0
    assert cost.row > 0


def test_a_cost_is_never_less_than_nothing() -> None:
    cost = Cost(50e-6, 5e-6)
    for _ in range(100):
        cost.observe(0.001, 1, 1)
        cost.observe(0.0005, 1, 100)
    assert cost.each >= 0
    assert cost.row >= 0
    assert 0.0005 < cost.of(1, 100) < 0.001


def test_a_model_that_turns_out_slow_soon_has_two_that_wait_be_too_many() -> None:
    cost = Cost(50e-6, 5e-6, 0.1)
    for _ in range(20):
        cost.observe(0.1, 1, 1)
    assert cost.of(2, 2) > Limits().queue_seconds
