"""What is counted, cheaply while answering and dearly only when asked for."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

    from mldeploy_runtime.service import Service

# Seconds; fine enough to tell 1 ms from 5 ms from 100 ms.
BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """Plain numbers, changed on the event loop alone: a prometheus_client counter takes a lock each time."""

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS) + 1))
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.rows = 0

    def observe(self, route: str, status: int, seconds: float) -> None:
        self.requests[route, status] += 1
        self.buckets[route][bisect_left(BUCKETS, seconds)] += 1
        self.seconds[route] += seconds


def exposition(service: Service) -> tuple[bytes, bytes]:
    """All metrics in Prometheus' text format, and its content type."""
    # Imported when first asked for: it takes part of the time that a start may take.
    from prometheus_client import (
        CONTENT_TYPE_LATEST,
        GC_COLLECTOR,
        PLATFORM_COLLECTOR,
        PROCESS_COLLECTOR,
        CollectorRegistry,
        generate_latest,
    )

    registry = CollectorRegistry()
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        registry.register(collector)
    registry.register(_Collector(service))
    return generate_latest(registry), CONTENT_TYPE_LATEST.encode()


class _Collector:
    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.metrics_core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        service, metrics = self._service, self._service.metrics
        yield InfoMetricFamily(
            "mldeploy_model",
            "What is served.",
            {
                "name": service.manifest.name,
                "version": service.manifest.version,
                "bundle_id": service.manifest.bundle_id,
                "release": service.settings.release,
            },
        )
        requests = CounterMetricFamily("mldeploy_requests", "Requests answered.", labels=["route", "status"])
        for (route, status), count in metrics.requests.items():
            requests.add_metric([route, str(status)], count)
        yield requests
        latency = HistogramMetricFamily(
            "mldeploy_request_seconds", "Time from a request's head to its answer.", labels=["route"]
        )
        for route, counts in metrics.buckets.items():
            latency.add_metric([route], _cumulative(counts), metrics.seconds[route])
        yield latency
        yield CounterMetricFamily("mldeploy_rows", "Rows answered.", metrics.rows)
        yield GaugeMetricFamily("mldeploy_in_flight", "Predictions asked for and not yet answered.", service.in_flight)
        yield GaugeMetricFamily("mldeploy_ready", "1 when the golden rows were answered correctly.", service.ready)
        yield GaugeMetricFamily("mldeploy_in_rotation", "1 when the release takes traffic.", service.in_rotation)


def _cumulative(counts: list[int]) -> list[tuple[str, float]]:
    total = 0
    buckets = []
    for bound, count in zip((*BUCKETS, float("inf")), counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
    return buckets
