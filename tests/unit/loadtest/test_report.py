from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mldeploy.loadtest.report import Result, Target, percentile, summarize, write_csv
from mldeploy.loadtest.samples import Load, Samples

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike


def samples(
    load: Load, latency: ArrayLike, late: ArrayLike = 0.0, kind: ArrayLike = 0, complete: bool = True
) -> Samples:
    """A run in which requests were sent `late` seconds late and answered `latency` seconds after being sent."""
    due = load.due_times()
    sent = due + np.broadcast_to(late, due.shape)
    done = sent + np.broadcast_to(latency, due.shape)
    kinds = np.broadcast_to(kind, due.shape).astype(np.int16)
    return Samples(due, sent, done, kinds, ("", "timeout", "HTTP 503"), complete)


LOAD = Load("http://127.0.0.1/predict", rate=100, duration_s=10)
TARGET = Target(p99_s=0.1)


def judge(run: Samples, load: Load = LOAD, target: Target = TARGET) -> Result:
    return summarize(load, run, target)


def test_latency_counts_from_when_a_request_was_due() -> None:
    result = judge(samples(LOAD, latency=0.002, late=0.003))
    assert result.p50_s == pytest.approx(0.005)
    assert result.verdict == "met"


def test_the_percentile_of_a_stall_is_that_of_the_arithmetic() -> None:
    load = Load("http://127.0.0.1/predict", rate=1000, duration_s=10)
    due = load.due_times()
    result = judge(samples(load, latency=np.where(due < 1.0, 1.0 - due, 0.0)), load)
    assert result.p99_s == pytest.approx(0.9, abs=0.002)
    assert result.p95_s == pytest.approx(0.5, abs=0.002)
    assert result.verdict == "missed"


def test_percentiles_are_by_nearest_rank() -> None:
    assert [percentile(np.arange(1.0, 101.0), share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]


def test_the_warm_up_is_not_measured() -> None:
    load = Load("http://127.0.0.1/predict", rate=100, duration_s=5, warmup_s=5)
    due = load.due_times()
    result = judge(samples(load, latency=np.where(due < 5, 3.0, 0.01), kind=np.where(due < 5, 1, 0)), load)
    assert result.requests == 500
    assert result.verdict == "met"
    assert not any(result.errors.values())


def test_errors_are_counted_by_kind_and_miss_the_target_above_the_allowed_rate() -> None:
    kind = np.zeros(1000)
    kind[:3], kind[3:5] = 1, 2
    run = samples(LOAD, latency=0.01, kind=kind)
    assert judge(run).errors == {"timeout": 3, "HTTP 503": 2}
    assert judge(run).verdict == "missed"
    assert judge(run, target=Target(0.1, max_error_rate=0.005)).verdict == "met"


def test_a_failed_request_counts_with_the_time_it_took() -> None:
    latency, kind = np.full(1000, 0.01), np.zeros(1000)
    latency[:20], kind[:20] = 10.0, 1
    assert judge(samples(LOAD, latency=latency, kind=kind)).p99_s == pytest.approx(10.0)


def test_answers_that_pile_up_lower_the_achieved_rate() -> None:
    assert judge(samples(LOAD, latency=0.01)).achieved_rate == pytest.approx(100, rel=0.01)
    half_as_fast = samples(LOAD, latency=LOAD.due_times())
    assert judge(half_as_fast).achieved_rate == pytest.approx(50, rel=0.01)


def test_the_achieved_rate_is_of_good_answers_whenever_the_last_one_came() -> None:
    latency, kind = np.full(1000, 0.001), np.zeros(1000)
    latency[-1] = 9.0
    assert judge(samples(LOAD, latency=latency)).achieved_rate == pytest.approx(100, rel=0.01)
    kind[:500] = 2
    assert judge(samples(LOAD, latency=0.001, kind=kind)).achieved_rate == pytest.approx(50, rel=0.01)


def test_a_generator_that_cannot_keep_the_rate_makes_the_run_invalid_even_when_answers_are_fast() -> None:
    falling_behind = samples(LOAD, latency=0.001, late=0.009 * LOAD.due_times())
    result = judge(falling_behind)
    assert result.p99_s < TARGET.p99_s
    assert result.verdict == "invalid"
    assert "could not keep up" in result.invalid


@pytest.mark.parametrize(
    ("slow_s", "late_s", "verdict"),
    [
        (0.01, 0.2, "invalid"),  # only the generator's lateness misses the target
        (0.15, 0.8, "invalid"),  # the server may have missed it, but most of the figure is the generator's
        (0.14, 0.05, "invalid"),  # by less than the generator may be late in noticing answers
        (0.5, 0.1, "missed"),
        (0.5, 0.3, "missed"),
    ],
)
def test_a_missed_target_counts_where_the_server_misses_it_by_more_than_the_generator_was_late(
    slow_s: float, late_s: float, verdict: str
) -> None:
    slow, late = np.full(1000, 0.01), np.zeros(1000)
    slow[:20], late[:20] = slow_s, late_s
    assert judge(samples(LOAD, latency=slow, late=late)).verdict == verdict


@pytest.mark.parametrize(
    ("latency_s", "late_s", "verdict"),
    [
        (0.001, 0.0, "invalid"),  # the server answers in time: the rate asks for more than the generator holds
        (5.0, 0.0, "missed"),  # it hangs
        (5.0, 1.0, "invalid"),  # the generator itself did not get to sending
    ],
)
def test_a_run_cut_short_by_the_bound_counts_where_the_server_was_what_misses_the_target(
    latency_s: float, late_s: float, verdict: str
) -> None:
    result = judge(samples(LOAD, latency=latency_s, late=late_s, complete=False))
    assert result.verdict == verdict
    assert "4096" in result.cut_short
    assert bool(result.invalid) == (verdict == "invalid")


def test_a_run_cut_short_in_its_warm_up_is_judged_by_that() -> None:
    load = Load("http://127.0.0.1/predict", rate=100, duration_s=5, warmup_s=20)
    whole = samples(load, latency=10.0, kind=1, complete=False)
    begun = whole.due < 3
    due, sent, done, kind = whole.due[begun], whole.sent[begun], whole.done[begun], whole.kind[begun]
    result = judge(Samples(due, sent, done, kind, whole.kinds, complete=False), load)
    assert (result.requests, result.verdict) == (300, "missed")


def test_a_run_without_a_measured_request_is_invalid() -> None:
    load = Load("http://127.0.0.1/predict", rate=0.1, duration_s=1, warmup_s=5)
    assert judge(samples(load, latency=0.001), load).verdict == "invalid"


def test_the_csv_holds_one_line_a_request_with_its_error(tmp_path: Path) -> None:
    load = Load("http://127.0.0.1/predict", rate=10, duration_s=0.2)
    write_csv(samples(load, latency=[0.5, 0.25], kind=[0, 1]), tmp_path / "run.csv")
    with (tmp_path / "run.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [float(line["latency_s"]) for line in lines] == [0.5, 0.25]
    assert [line["error"] for line in lines] == ["", "timeout"]


def test_samples_survive_being_saved(tmp_path: Path) -> None:
    run = samples(LOAD, latency=0.01, kind=1, complete=False)
    run.save(tmp_path / "samples.npz")
    again = Samples.load(tmp_path / "samples.npz")
    assert np.array_equal(again.done, run.done)
    assert (again.kinds, again.complete) == (run.kinds, False)
