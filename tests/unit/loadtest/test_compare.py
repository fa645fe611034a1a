"""A change of the p99 is told from noise."""

from __future__ import annotations

import numpy as np
import pytest

from mldeploy.loadtest.compare import REPLICATES, compare, p99_replicates
from mldeploy.loadtest.samples import Load, Samples

LOAD = Load("http://127.0.0.1/predict", rate=200, duration_s=30, warmup_s=2)


def run(seed: int, slower: float = 1.0, stalls: int = 0) -> Samples:
    """Lognormal latencies around 5 ms, with `stalls` half seconds at random in which all waits 100 ms more."""
    random = np.random.default_rng(seed)
    due = LOAD.due_times()
    latency = 0.005 * slower * random.lognormal(0, 0.5, len(due))
    for start in random.uniform(LOAD.warmup_s, LOAD.total_s - 1, stalls):
        latency[(due > start) & (due < start + 0.5)] += 0.1
    return Samples(due, due, due + latency, np.zeros(len(due), dtype=np.int16), ("",), complete=True)


def test_two_runs_of_the_same_server_are_noise_in_about_all_of_twenty_cases() -> None:
    verdicts = [
        compare(p99_replicates(LOAD, run(seed)), p99_replicates(LOAD, run(seed + 100))).verdict for seed in range(20)
    ]
    # One in twenty may be wrong by the confidence asked for; blocks make it somewhat more.
    assert verdicts.count("noise") >= 17


def test_a_server_half_as_fast_is_worse_and_the_other_way_round_better() -> None:
    fast, slow = p99_replicates(LOAD, run(1)), p99_replicates(LOAD, run(2, slower=2.0))
    change = compare(slow, fast)
    assert change.verdict == "worse"
    assert change.low < change.ratio < change.high
    assert change.ratio == pytest.approx(2, rel=0.3)
    assert compare(fast, slow).verdict == "better"


def test_stalls_that_come_in_stretches_widen_the_interval_more_than_single_requests_would() -> None:
    stalled = run(3, stalls=2)
    replicates = p99_replicates(LOAD, stalled)
    latency = (stalled.done - stalled.due)[stalled.due >= LOAD.warmup_s]
    random = np.random.default_rng(0)
    single = [np.quantile(random.choice(latency, len(latency)), 0.99) for _ in range(REPLICATES)]
    assert np.ptp(replicates) > 5 * np.ptp(single)


def test_the_same_run_gives_the_same_replicates_in_order() -> None:
    assert np.array_equal(p99_replicates(LOAD, run(5)), p99_replicates(LOAD, run(5)))
    assert (np.diff(p99_replicates(LOAD, run(5))) >= 0).all()
