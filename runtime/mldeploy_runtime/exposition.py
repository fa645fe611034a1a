"""The metrics in Prometheus' text format. Imported when first asked for, since prometheus_client takes its time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    generate_latest,
)
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mldeploy_runtime.metrics import Histogram
    from mldeploy_runtime.service import Service

CONTENT_TYPE = CONTENT_TYPE_LATEST.encode()


def exposition(service: Service) -> bytes:
    """The text of all metrics of `service` and its process."""
    registry = CollectorRegistry()
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR, _Snapshot(service)):
        registry.register(collector)
    return generate_latest(registry)


class _Snapshot(Collector):
    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        service, metrics = self._service, self._service.metrics
        manifest, batcher = service.manifest, service.batcher
        about = {"name": manifest.name, "version": manifest.version, "bundle_id": manifest.bundle_id}
        yield InfoMetricFamily("mldeploy_model", "What is served.", about | {"release": service.settings.release})
        yield GaugeMetricFamily("mldeploy_ready", "1 when the golden rows were answered correctly.", service.ready)
        yield GaugeMetricFamily("mldeploy_in_rotation", "1 when the release takes traffic.", service.in_rotation)
        yield GaugeMetricFamily("mldeploy_in_flight", "Predictions asked for and not yet answered.", service.in_flight)
        yield GaugeMetricFamily("mldeploy_queue_requests", "Requests that wait for the next run.", batcher.waiting)

        requests = CounterMetricFamily("mldeploy_requests", "Requests answered.", labels=["route", "status"])
        for (route, status), count in metrics.requests.items():
            requests.add_metric([route, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily(
            "mldeploy_request_seconds", "Time from a request's head to its answer.", labels=["route"]
        )
        for route, histogram in metrics.seconds.items():
            seconds.add_metric([route], _buckets(histogram), histogram.sum)
        yield seconds
        yield _counter("mldeploy_problems", "Requests refused or failed, by kind.", "kind", metrics.problems)

        yield CounterMetricFamily("mldeploy_rows", "Rows answered.", metrics.rows)
        yield CounterMetricFamily("mldeploy_inference_runs", "Runs of the graph.", batcher.runs)
        yield CounterMetricFamily("mldeploy_inference_seconds", "Time spent in runs of the graph.", batcher.run_seconds)
        yield _counter("mldeploy_labels", "Rows answered, by label.", "label", metrics.labels)
        yield HistogramMetricFamily(
            "mldeploy_second_class_probability",
            "Probability of the second of two classes.",
            _buckets(metrics.probability),
            metrics.probability.sum,
        )
        yield _counter("mldeploy_missing_values", "Missing values, by field.", "field", metrics.missing)
        yield _counter("mldeploy_unknown_categories", "Unseen categories, by field.", "field", metrics.unknown)
        yield CounterMetricFamily("mldeploy_log_lines_dropped", "Log lines that were lost.", service.log.dropped)


def _counter(name: str, text: str, label: str, counts: Mapping[Any, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, count in counts.items():
        family.add_metric([str(key)], count)
    return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Prometheus' buckets each hold the ones below."""
    total = 0
    buckets = []
    for bound, count in zip([*map(str, histogram.bounds), "+Inf"], histogram.counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets
