"""From raw times to a verdict: percentiles from due times, errors by kind, and whether the run counts at all."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from mldeploy.loadtest.samples import Load, Samples

LAG_FLOOR_S = 0.005
LAG_SHARE = 0.1
"""The generator keeps the rate while its median lateness in sending is below this share of the target, or the floor."""


@dataclass(frozen=True)
class Target:
    """What the server is held to: 99 % of answers within `p99_s` seconds of being due, and few errors."""

    p99_s: float
    max_error_rate: float = 0.0


@dataclass(frozen=True)
class Result:
    """The outcome of one run; rates a second, latencies in seconds.

    `achieved_rate` is of good answers. `lateness_p99_s` is how late the generator was in sending, which the latencies
    include. `cut_short` says why the run ended before its time, `invalid` why it does not count; empty where neither.
    """

    url: str
    asked_rate: float
    achieved_rate: float
    rows_per_request: int
    requests: int
    p50_s: float
    p95_s: float
    p99_s: float
    max_s: float
    errors: dict[str, int]
    lateness_p99_s: float
    target: Target
    cut_short: str
    invalid: str

    @property
    def error_rate(self) -> float:
        return sum(self.errors.values()) / self.requests if self.requests else 0.0

    @property
    def verdict(self) -> Literal["met", "missed", "invalid"]:
        if self.invalid:
            return "invalid"
        within = self.p99_s <= self.target.p99_s and self.error_rate <= self.target.max_error_rate
        return "met" if within else "missed"

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"error_rate": self.error_rate, "verdict": self.verdict}


def summarize(load: Load, samples: Samples, target: Target) -> Result:
    """Judge what was due after ramp and warm-up. Every request counts, an error with the time it took."""
    run = samples.measured(load)
    p50, p95, p99, longest = (percentile(run.done - run.due, share) for share in (0.5, 0.95, 0.99, 1.0))
    return Result(
        url=load.url,
        asked_rate=load.rate,
        achieved_rate=_answered(load, samples) / load.duration_s,
        rows_per_request=load.rows_per_request,
        requests=len(run.due),
        p50_s=p50,
        p95_s=p95,
        p99_s=p99,
        max_s=longest,
        errors={name: int(np.count_nonzero(run.kind == index)) for index, name in enumerate(samples.kinds) if name},
        lateness_p99_s=percentile(run.sent - run.due, 0.99),
        target=target,
        cut_short=_why_cut_short(run, load),
        invalid=_why_invalid(run, load, target),
    )


def percentile(values: NDArray[np.float64], share: float) -> float:
    """The smallest of `values` that at least `share` of them do not exceed (nearest rank); 0 of none."""
    return float(np.quantile(values, share, method="inverted_cdf")) if len(values) else 0.0


def write_csv(samples: Samples, path: Path) -> None:
    """One line a request: when it was due, sent and done in seconds from the start, and its error, if any."""
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["due_s", "sent_s", "done_s", "latency_s", "error"])
        for due, sent, done, kind in zip(samples.due, samples.sent, samples.done, samples.kind, strict=True):
            times = (f"{time:.6f}" for time in (due, sent, done, done - due))
            lines.writerow([*times, samples.kinds[kind]])


def _answered(load: Load, samples: Samples) -> int:
    """How many good answers came in the measured time, also to what was due in the warm-up before it."""
    within = (samples.done > load.measured_from_s) & (samples.done <= load.total_s)
    return int(np.count_nonzero(within & (samples.kind == 0)))


def _why_invalid(run: Samples, load: Load, target: Target) -> str:
    """Why the generator, not the server, decided this run; empty when it did not.

    Latency from the due time includes the generator's own lateness, so it never flatters, but it may accuse. Who
    is late in sending notices answers as late: a missed target counts where the server misses it without either.
    So it does where the run was cut short: a server that hangs leaves more unanswered than the generator holds.
    """
    if not len(run.due):
        return "no request was due in the measured time"
    lag, allowed = percentile(run.sent - run.due, 0.5), max(LAG_FLOOR_S, LAG_SHARE * target.p99_s)
    if lag > allowed:
        return f"the generator could not keep up: it sent half of the requests over {lag * 1000:.0f} ms late"
    reported, servers = percentile(run.done - run.due, 0.99), percentile(run.done - run.sent, 0.99)
    own = reported - servers
    if reported > target.p99_s >= servers - own:
        return f"the generator was late in sending: {own * 1000:.0f} ms of the p99 are its own"
    return "" if servers > target.p99_s else _why_cut_short(run, load)


def _why_cut_short(run: Samples, load: Load) -> str:
    return (
        ""
        if run.complete
        else f"{load.max_in_flight} requests were unanswered at once, and the generator holds no more"
    )
