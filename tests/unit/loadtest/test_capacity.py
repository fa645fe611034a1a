from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mldeploy.loadtest.capacity import CONFIRMATIONS, MAX_RATE, PRECISION, find_capacity
from mldeploy.loadtest.report import Result, Target

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET = Target(p99_s=0.1)


def result(rate: float, p99_s: float, invalid: str = "") -> Result:
    return Result(
        url="http://127.0.0.1/predict",
        asked_rate=rate,
        achieved_rate=rate,
        rows_per_request=1,
        requests=1000,
        p50_s=p99_s / 3,
        p95_s=p99_s / 2,
        p99_s=p99_s,
        max_s=p99_s,
        errors={},
        lateness_p99_s=0.0,
        target=TARGET,
        cut_short="",
        invalid=invalid,
    )


def queue(capacity: float) -> Callable[[float], Result]:
    """A server whose latency rises as a queue's does, to the target's 100 ms just at `capacity`."""
    service_rate = capacity + 46.05  # of an M/M/1 queue, p99 = ln(100) / (service rate - rate)

    def measure(rate: float) -> Result:
        return result(rate, 4.605 / (service_rate - rate) if rate < service_rate else 10.0)

    return measure


@pytest.mark.parametrize("capacity", [55, 130, 999, 7400])
def test_the_rate_found_holds_and_is_within_the_precision_of_the_highest_that_does(capacity: float) -> None:
    found = find_capacity(queue(capacity), start=50)
    assert found.rate
    assert capacity / (1 + PRECISION) <= found.rate * 1.001
    assert found.rate <= capacity
    assert not found.limited_by_generator
    assert [trial.asked_rate for trial in found.trials[-CONFIRMATIONS:]] == [found.rate] * CONFIRMATIONS


def test_the_curve_is_in_the_order_of_the_rates() -> None:
    rates = [trial.asked_rate for trial in find_capacity(queue(300), start=50).curve()]
    assert rates == sorted(rates)


def test_a_rate_that_held_by_luck_is_not_reported() -> None:
    runs = 0

    def lucky_once(rate: float) -> Result:
        nonlocal runs
        runs += rate == 200
        return result(rate, 0.01 if rate < 200 or (rate == 200 and runs == 1) else 1.0)

    found = find_capacity(lucky_once, start=50)
    assert found.rate
    assert found.rate < 200
    assert found.headroom(found.rate / 2) == 2


def test_an_endpoint_that_fails_at_the_start_has_no_capacity() -> None:
    found = find_capacity(queue(10), start=50)
    assert found.rate is None
    assert found.headroom(10) is None
    assert len(found.trials) == 1


def test_a_search_that_ends_at_what_the_generator_can_send_says_so() -> None:
    found = find_capacity(lambda rate: result(rate, 0.01, "could not keep up" if rate > 900 else ""), start=50)
    assert found.rate
    assert found.rate <= 900
    assert found.limited_by_generator


def test_an_endpoint_without_a_limit_ends_the_search_at_the_highest_rate_allowed() -> None:
    found = find_capacity(lambda rate: result(rate, 0.001), start=50)
    assert found.rate == MAX_RATE
    assert found.limited_by_search
    assert not find_capacity(queue(130), start=50).limited_by_search
