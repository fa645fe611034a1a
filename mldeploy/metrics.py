"""What a release's server has counted: its /metrics, read, and what lies between two readings."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

ROUTE = "/predict"


@dataclass(frozen=True)
class Reading:
    """Counters at one moment; `buckets` are cumulative counts of `/predict` by upper bound in seconds."""

    statuses: dict[str, float]
    buckets: dict[float, float]
    problems: dict[str, float]
    rows: float
    runs: float
    run_seconds: float
    cpu_seconds: float
    memory: float


@dataclass(frozen=True)
class ServerView:
    """What the server counted between two readings.

    `p50_s` and `p99_s` are the bounds of the buckets they fall into, and count from when the server had a
    request, not from when it was due: what is lacking to the client's figures was spent on the way or waiting.
    """

    statuses: dict[str, int]
    p50_s: float
    p99_s: float
    problems: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    rows_a_run: float = 0.0
    run_s: float = 0.0
    cpu_seconds: float = 0.0
    memory: int = 0

    @property
    def requests(self) -> int:
        return sum(self.statuses.values())

    @property
    def error_rate(self) -> float:
        """The share of requests in which the server failed, or was too busy: not those it rightly refused."""
        failed = sum(count for status, count in self.statuses.items() if status.startswith("5"))
        return failed / self.requests if self.requests else 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def parse(text: str) -> Reading | None:
    """Read Prometheus' text; None when it is not that of our runtime."""
    totals: defaultdict[str, float] = defaultdict(float)
    statuses: defaultdict[str, float] = defaultdict(float)
    problems: defaultdict[str, float] = defaultdict(float)
    buckets: dict[float, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            totals[sample.name] += sample.value
            if sample.labels.get("route") == ROUTE and sample.name == "mldeploy_requests_total":
                statuses[sample.labels["status"]] += sample.value
            elif sample.labels.get("route") == ROUTE and sample.name == "mldeploy_request_seconds_bucket":
                buckets[float(sample.labels["le"])] = sample.value
            elif sample.name == "mldeploy_problems_total":
                problems[sample.labels["kind"]] += sample.value
    if "mldeploy_rows_total" not in totals:
        return None
    return Reading(
        statuses=dict(statuses),
        buckets=buckets,
        problems=dict(problems),
        rows=totals["mldeploy_rows_total"],
        runs=totals["mldeploy_inference_seconds_count"],
        run_seconds=totals["mldeploy_inference_seconds_sum"],
        cpu_seconds=totals["process_cpu_seconds_total"],
        memory=totals["process_resident_memory_bytes"],
    )


def nothing_yet() -> Reading:
    """The counters of a server that has just started."""
    return Reading({}, {}, {}, 0.0, 0.0, 0.0, 0.0, 0.0)


def between(before: Reading | None, after: Reading | None) -> ServerView | None:
    """What was counted between two readings; None where there are not two of one process."""
    if before is None or after is None or after.rows < before.rows:
        return None
    runs = after.runs - before.runs
    buckets = {bound: count - before.buckets.get(bound, 0.0) for bound, count in sorted(after.buckets.items())}
    return ServerView(
        statuses=_more(before.statuses, after.statuses),
        p50_s=_quantile(buckets, 0.5),
        p99_s=_quantile(buckets, 0.99),
        problems=_more(before.problems, after.problems),
        rows=round(after.rows - before.rows),
        rows_a_run=(after.rows - before.rows) / runs if runs else 0.0,
        run_s=(after.run_seconds - before.run_seconds) / runs if runs else 0.0,
        cpu_seconds=after.cpu_seconds - before.cpu_seconds,
        memory=round(after.memory),
    )


def _more(before: dict[str, float], after: dict[str, float]) -> dict[str, int]:
    grown = {name: round(count - before.get(name, 0.0)) for name, count in after.items()}
    return {name: count for name, count in grown.items() if count}


def _quantile(buckets: dict[float, float], share: float) -> float:
    """The bound of the bucket that the quantile falls into; `buckets` hold the ones below. 0 of none."""
    total = max(buckets.values(), default=0.0)
    return next((bound for bound, count in buckets.items() if total and count >= share * total), 0.0)
