"""When requests are due. The times are fixed before the run, so no answer can delay a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrivals = Literal["constant", "poisson"]


def due_times(
    rate: float, duration_s: float, arrivals: Arrivals, seed: int = 0, ramp_s: float = 0.0
) -> NDArray[np.float64]:
    """Seconds from the start at which requests are due: shape [requests], ascending, each below `duration_s`.

    `constant` spaces them evenly, 1/rate apart. `poisson` draws the gaps from the exponential
    distribution of mean 1/rate, as independent clients would send. Over the first `ramp_s` seconds the rate
    rises evenly from nothing: the arrivals are those of rate one, at the moments when as many are expected.

    >>> due_times(4, 1.0, "constant").tolist()
    [0.0, 0.25, 0.5, 0.75]
    """
    expected = rate * (duration_s - ramp_s / 2)
    if arrivals == "constant":
        counts = np.arange(round(expected), dtype=np.float64)
    else:
        random = np.random.default_rng(seed)
        counts = np.cumsum(random.exponential(1.0, int(expected + 10 * np.sqrt(expected) + 10)))
        counts = counts[counts < expected]
    return _when_expected(counts, rate, ramp_s)


def _when_expected(counts: NDArray[np.float64], rate: float, ramp_s: float) -> NDArray[np.float64]:
    """When `counts` arrivals are expected: the inverse of rate t^2 / 2 ramp while it rises, of a line after."""
    in_ramp = rate * ramp_s / 2
    return np.where(counts < in_ramp, np.sqrt(2 * ramp_s / rate * counts), ramp_s + (counts - in_ramp) / rate)
