"""When requests are due. The times are fixed before the run, so no answer can delay a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrivals = Literal["constant", "poisson"]


def due_times(rate: float, duration_s: float, arrivals: Arrivals, seed: int = 0) -> NDArray[np.float64]:
    """Seconds from the start at which requests are due: shape [requests], ascending, each below `duration_s`.

    `constant` spaces them evenly, 1/rate apart. `poisson` draws the gaps from the exponential
    distribution of mean 1/rate, as independent clients would send.

    >>> due_times(4, 1.0, "constant").tolist()
    [0.0, 0.25, 0.5, 0.75]
    """
    if arrivals == "constant":
        return np.arange(round(rate * duration_s), dtype=np.float64) / rate
    random = np.random.default_rng(seed)
    expected = rate * duration_s
    drawn = int(expected + 10 * np.sqrt(expected) + 10)
    times = np.cumsum(random.exponential(1 / rate, drawn))
    return times[times < duration_s]
