"""The highest rate that an endpoint carries within its target: doubling until it fails, halving the gap, confirming."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from mldeploy.loadtest.report import Result

PRECISION = 0.05
"""The search ends when the rate that fails is at most this much above the one that holds."""

MAX_RATE = 20_000.0
CONFIRMATIONS = 2


@dataclass(frozen=True)
class Capacity:
    """`rate` requests a second met the target again and again; None when not even the first rate did.

    `trials` are all runs in the order they were made. `limited_by_generator` is set when the search ended at
    a run that does not count: the endpoint may carry more than this machine can send. `limited_by_search` is set
    when even MAX_RATE held.
    """

    rate: float | None
    trials: tuple[Result, ...]
    limited_by_generator: bool
    limited_by_search: bool

    def curve(self) -> list[Result]:
        """The trials by rate: latency against load."""
        return sorted(self.trials, key=lambda trial: trial.asked_rate)

    def headroom(self, peak_qps: float) -> float | None:
        """How many times the expected peak the endpoint carries."""
        return self.rate / peak_qps if self.rate else None

    def to_json(self) -> dict[str, Any]:
        return {
            "rate": self.rate,
            "limited_by_generator": self.limited_by_generator,
            "limited_by_search": self.limited_by_search,
            "trials": [trial.to_json() for trial in self.trials],
        }


def find_capacity(measure: Callable[[float], Result], start: float) -> Capacity:
    """Search with `measure`, which makes one run at a rate, from the rate `start` on.

    A rate holds when its run meets the target; the rate found has held `CONFIRMATIONS` times more, and where
    it does not the next lower one that held is tried, so that no lucky run is reported.
    """
    trials: list[Result] = []

    def holds(rate: float) -> bool:
        trials.append(measure(rate))
        return trials[-1].verdict == "met"

    good, bad = _bracket(holds, start)
    while good and bad and bad > good * (1 + PRECISION):
        middle = (good + bad) / 2
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    limited = any(trial.verdict == "invalid" and trial.asked_rate == bad for trial in trials)
    return Capacity(_confirmed(holds, trials), tuple(trials), limited, limited_by_search=bad is None)


def _bracket(holds: Callable[[float], bool], start: float) -> tuple[float | None, float | None]:
    """The highest rate that held and the lowest that did not, each None where there was none."""
    good: float | None = None
    rate = start
    while holds(rate):
        if rate >= MAX_RATE:
            return rate, None
        good, rate = rate, min(rate * 2, MAX_RATE)
    return good, rate


def _confirmed(holds: Callable[[float], bool], trials: list[Result]) -> float | None:
    held = sorted({trial.asked_rate for trial in trials if trial.verdict == "met"}, reverse=True)
    return next((rate for rate in held if all(holds(rate) for _ in range(CONFIRMATIONS))), None)
