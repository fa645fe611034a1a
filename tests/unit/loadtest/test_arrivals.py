from __future__ import annotations

import numpy as np
import pytest

from mldeploy.loadtest.arrivals import due_times


def test_constant_arrivals_are_evenly_spaced_and_as_many_as_asked() -> None:
    due = due_times(200, 3.0, "constant")
    assert len(due) == 600
    assert np.allclose(np.diff(due), 1 / 200)
    assert due[0] == 0.0
    assert due[-1] < 3.0


def test_poisson_gaps_have_the_mean_and_the_spread_of_the_exponential_distribution() -> None:
    due = due_times(1000, 60.0, "poisson", seed=1)
    gaps = np.diff(due)
    assert due[-1] < 60.0
    assert gaps.mean() == pytest.approx(1 / 1000, rel=0.02)
    assert gaps.std() == pytest.approx(1 / 1000, rel=0.02)
    assert (gaps > 0).all()


def test_the_same_seed_gives_the_same_arrivals_and_another_one_others() -> None:
    assert np.array_equal(due_times(50, 5, "poisson", seed=7), due_times(50, 5, "poisson", seed=7))
    assert not np.array_equal(due_times(50, 5, "poisson", seed=7)[:5], due_times(50, 5, "poisson", seed=8)[:5])


def test_over_the_ramp_the_rate_rises_evenly_and_is_then_held() -> None:
    due = due_times(100, 20.0, "constant", ramp_s=10.0)
    # Half as many as at the full rate are due while it rises: 100 * 10 / 2, then 100 * 10.
    assert len(due) == 1500
    assert np.count_nonzero(due < 10) == 500
    assert np.count_nonzero(due < 5) == pytest.approx(125, abs=1)
    assert np.allclose(np.diff(due[due >= 10]), 1 / 100)
    assert due[-1] < 20.0


def test_poisson_arrivals_rise_over_the_ramp_as_well() -> None:
    due = due_times(1000, 20.0, "poisson", seed=3, ramp_s=10.0)
    assert np.count_nonzero(due < 5) == pytest.approx(1250, rel=0.1)
    assert np.count_nonzero(due >= 10) == pytest.approx(10_000, rel=0.05)
    assert (np.diff(due) > 0).all()
