"""Is one run's p99 better than another's, or is it noise? By the block bootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mldeploy.loadtest.report import percentile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from mldeploy.loadtest.samples import Load, Samples

REPLICATES = 200
BLOCKS = 20
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Change:
    """The p99 of one run over that of another, with the interval that holds it with 95 % confidence."""

    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> Literal["better", "worse", "noise"]:
        if self.high < 1:
            return "better"
        return "worse" if self.low > 1 else "noise"


def p99_replicates(load: Load, samples: Samples) -> NDArray[np.float64]:
    """What the p99, in seconds, of other runs like this one would be: float64 [REPLICATES], ascending.

    Whole stretches of time are drawn again, with replacement, rather than single requests: neighbours wait in
    the same queue, so their latencies are not independent. The same run always gives the same replicates.
    Source: E. Carlstein, The Use of Subseries Values for Estimating the Variance of a General Statistic from a
    Stationary Sequence, The Annals of Statistics 14 (1986), with the percentile as the statistic.
    """
    run = samples.measured(load)
    latency = run.done - run.due
    edges = load.measured_from_s + load.duration_s / BLOCKS * np.arange(1, BLOCKS)
    blocks = [block for block in np.split(latency, np.searchsorted(run.due, edges)) if len(block)]
    if not blocks:
        return np.empty(0)
    random = np.random.default_rng(0)
    drawn = (random.integers(len(blocks), size=len(blocks)) for _ in range(REPLICATES))
    return np.sort([percentile(np.concatenate([blocks[index] for index in draw]), 0.99) for draw in drawn])


def compare(new_s: ArrayLike, old_s: ArrayLike) -> Change:
    """How the p99 changed, from the replicates of either run: every pair of them is a possible ratio."""
    ratios = np.divide.outer(np.asarray(new_s, np.float64), np.asarray(old_s, np.float64)).ravel()
    low, middle, high = np.quantile(ratios, [(1 - CONFIDENCE) / 2, 0.5, (1 + CONFIDENCE) / 2])
    return Change(float(middle), float(low), float(high))
