"""The metrics in Prometheus' text format. Imported when first asked for, since prometheus_client takes its time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    PLATFORM_COLLECTOR,
    CollectorRegistry,
    ProcessCollector,
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

from mldeploy_runtime.container import PROCESS, READY
from mldeploy_runtime.metrics import OTHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mldeploy_runtime.metrics import Counts, Histogram
    from mldeploy_runtime.service import Service

CONTENT_TYPE = CONTENT_TYPE_LATEST.encode()


def exposition(service: Service) -> bytes:
    """The text of all metrics of the container that `service` is a worker of."""
    registry = CollectorRegistry()
    for collector in (PLATFORM_COLLECTOR, _Processes(service), _Snapshot(service)):
        registry.register(collector)
    return generate_latest(registry)


class _Processes(Collector):
    """Memory, processor time and open files of all workers together; the start is the first one's."""

    def __init__(self, service: Service) -> None:
        self._numbers = [worker.numbers for worker in service.container.workers]

    def collect(self) -> Iterator[Metric]:
        processes = [int(numbers[PROCESS]) for numbers in self._numbers if numbers[PROCESS]]
        collected = [_collect(process) for process in processes]
        for families in zip(*collected, strict=False):
            first = families[0]
            values = [family.samples[0].value for family in families]
            combine: Callable[[Iterable[float]], float] = min if first.name == "process_start_time_seconds" else sum
            first.samples = [first.samples[0]._replace(value=combine(values))]
            yield first


def _collect(process: int) -> list[Metric]:
    return list(ProcessCollector(pid=lambda: process, registry=None).collect())


class _Snapshot(Collector):
    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        service, container = self._service, self._service.container
        manifest = service.manifest
        about = {"name": manifest.name, "version": manifest.version, "bundle_id": manifest.bundle_id}
        yield InfoMetricFamily("mldeploy_model", "What is served.", about | {"release": service.settings.release})
        yield GaugeMetricFamily("mldeploy_ready", "1 when the golden rows were answered correctly.", container.ready)
        yield GaugeMetricFamily("mldeploy_workers", "Workers that are ready.", container.total(READY))
        yield GaugeMetricFamily("mldeploy_in_rotation", "1 when the release takes traffic.", container.in_rotation)
        yield GaugeMetricFamily(
            "mldeploy_in_flight", "Predictions asked for and not yet answered.", container.in_flight
        )
        queued = _summed([worker.queued for worker in container.workers])[0]
        yield GaugeMetricFamily("mldeploy_queue_requests", "Requests that wait for the next run.", queued)
        yield GaugeMetricFamily("mldeploy_circuit_open", "1 while the model is left alone.", container.circuit.is_open)
        yield CounterMetricFamily("mldeploy_circuit_opened", "How often it was.", container.circuit.opened)
        yield from self._requests()
        yield from self._answers()
        if service.settings.prediction_log.folder is not None:
            written, lost, overflowed = _summed([worker.predictions_logged for worker in container.workers])
            text = "Lines of the prediction log that were written."
            yield CounterMetricFamily("mldeploy_prediction_log_lines", text, written)
            text = "Lines of the prediction log that were lost, by reason."
            family = CounterMetricFamily("mldeploy_prediction_log_lost", text, labels=["reason"])
            family.add_metric(["disk"], lost)
            family.add_metric(["behind"], overflowed)
            yield family
        lost = _summed([worker.log_lost for worker in container.workers])[0]
        yield CounterMetricFamily("mldeploy_log_lines_dropped", "Log lines that were lost.", lost)

    def _requests(self) -> Iterator[Metric]:
        traffic = self._service.all_traffic
        requests = CounterMetricFamily("mldeploy_requests", "Requests answered.", labels=["route", "status"])
        for (route, status), count in _totals([each.requests for each in traffic]):
            if count:
                requests.add_metric([route, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily(
            "mldeploy_request_seconds", "Time from a request's head to its answer.", labels=["route"]
        )
        for route in traffic[0].seconds:
            buckets, total = _distribution([each.seconds[route] for each in traffic])
            if buckets[-1][1]:
                seconds.add_metric([route], buckets, total)
        yield seconds
        problems = [each.problems for each in self._service.all_metrics]
        yield _counter("mldeploy_problems", "Requests refused or failed, by kind.", "kind", problems)

    def _answers(self) -> Iterator[Metric]:
        everyone = self._service.all_metrics
        for name, text, attribute in (
            ("mldeploy_rows", "Rows answered by the model.", "rows"),
            ("mldeploy_failed_rows", "Rows that the model failed on.", "failed_rows"),
            ("mldeploy_fallback_rows", "Rows answered by the fallback.", "fallback_rows"),
        ):
            yield CounterMetricFamily(name, text, _summed([getattr(each, attribute) for each in everyone])[0])
        for name, text, attribute in (
            ("mldeploy_inference_seconds", "Time of a run of the graph.", "inference"),
            ("mldeploy_second_class_probability", "Probability of the second of two classes.", "probability"),
            ("mldeploy_value", "Values answered, in tenths of the sample's.", "value"),
        ):
            buckets, total = _distribution([getattr(each, attribute) for each in everyone])
            if len(buckets) > 1:
                yield HistogramMetricFamily(name, text, buckets, total)
        yield _counter("mldeploy_labels", "Rows answered, by label.", "label", [each.labels for each in everyone])
        missing = [each.missing for each in everyone]
        yield _counter("mldeploy_missing_values", "Missing values, by field.", "field", missing)
        unknown = [each.unknown for each in everyone]
        yield _counter("mldeploy_unknown_categories", "Unseen categories, by field.", "field", unknown)


def _summed(numbers: Sequence[Sequence[float]]) -> list[float]:
    """The workers' numbers, place by place."""
    return [sum(place) for place in zip(*numbers, strict=True)]


def _totals(counts: list[Counts]) -> list[tuple[Any, float]]:
    return list(zip(counts[0].keys, _summed([each.numbers for each in counts]), strict=True))


def _counter(name: str, text: str, label: str, counts: list[Counts]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, count in _totals(counts):
        if count or key != OTHER:
            family.add_metric([str(key)], count)
    return family


def _distribution(histograms: list[Histogram]) -> tuple[list[tuple[str, float]], float]:
    """Prometheus' buckets, each of which holds the ones below, and the sum of the values."""
    *counts, total = _summed([each.numbers for each in histograms])
    below = 0.0
    buckets = []
    for bound, count in zip([*map(str, histograms[0].bounds), "+Inf"], counts, strict=True):
        below += count
        buckets.append((bound, below))
    return buckets, total
