"""What is counted: plain numbers while answering, made into metrics only when they are asked for.

A worker adds to numbers of its own; what is shown is the sum over all of them.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from mldeploy_runtime.problems import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mldeploy_runtime.bundle import Baseline, Manifest
    from mldeploy_runtime.contract import Row
    from mldeploy_runtime.shared import Memory

# Seconds; fine enough to tell 1 ms from 5 ms from 100 ms, and runs of the graph from each other.
SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
RUN_SECONDS = (0.00001, 0.00002, 0.00005, 0.0001, 0.0002, *SECONDS)
PROBABILITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
STATUSES = sorted({200, 204, *(kind.status for kind in KINDS.values())})
OTHER = "other"


class Counts:
    """A number for each of some keys; a key that is none of them counts as `other`."""

    def __init__(self, memory: Memory, keys: Iterable[Any], other: Any = OTHER) -> None:
        self.keys = list(dict.fromkeys([*keys, other]))
        self.numbers = memory.numbers(len(self.keys))
        self._places = {key: place for place, key in enumerate(self.keys)}
        self._other = self._places[other]

    def add(self, key: Any, count: float = 1.0) -> None:
        self.numbers[self._places.get(key, self._other)] += count


class Histogram:
    """Counts by bucket: a value falls into the first whose bound it does not exceed, else into the last.

    `numbers` are the counts, one more than `bounds`, and then the sum of the values.
    """

    def __init__(self, memory: Memory, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.numbers = memory.numbers(len(self.bounds) + 2)

    def observe(self, value: float) -> None:
        numbers = self.numbers
        numbers[bisect_left(self.bounds, value)] += 1
        numbers[-1] += value


class Traffic:
    """What was asked of the server, by the routes that it has."""

    def __init__(self, memory: Memory, routes: Iterable[str]) -> None:
        routes = [*routes, OTHER]
        self.requests = Counts(memory, [(route, status) for route in routes for status in STATUSES], (OTHER, 0))
        self.seconds = {route: Histogram(memory, SECONDS) for route in routes}

    def request(self, route: str, status: int, seconds: float) -> None:
        self.requests.add((route, status))
        self.seconds[route].observe(seconds)


class Metrics:
    """What the model was asked and what it answered.

    Numbers without locks: a prometheus_client counter takes one each time, which the hot path cannot afford.
    """

    def __init__(self, memory: Memory, manifest: Manifest, baseline: Baseline) -> None:
        self.problems = Counts(memory, KINDS)
        self.rows, self.failed_rows, self.fallback_rows = (memory.numbers(1) for _ in range(3))
        self.inference = Histogram(memory, RUN_SECONDS)
        self.labels = Counts(memory, manifest.outputs.classes or ())
        self.probability = Histogram(memory, PROBABILITIES)
        # Tenths of what the original answered to the sample.
        quantiles = baseline.predictions.quantiles if baseline.predictions else ()
        self.value = Histogram(memory, sorted({float(f"{bound:.4g}") for bound in quantiles[2:-1:2]}))
        self._nullable = [(index, field.name) for index, field in enumerate(manifest.inputs) if field.nullable]
        self._open = [
            (index, field.name, frozenset([*(field.categories or ()), None]).__contains__)
            for index, field in enumerate(manifest.inputs)
            if field.unknown in ("ignore", "warn")
        ]
        self.missing = Counts(memory, [name for _, name in self._nullable])
        self.unknown = Counts(memory, [name for _, name, _ in self._open])
        self._has_labels = manifest.task in ("classifier", "outlier", "clusterer")
        self._has_values = manifest.task == "regressor"
        self._second = str(manifest.outputs.classes[1]) if manifest.outputs.classes and manifest.takes_threshold else ""

    def columns(self, columns: list[Row]) -> None:
        """What the fields of a run held, one tuple a field of the manifest."""
        for index, name in self._nullable:
            if missing := columns[index].count(None):
                self.missing.add(name, missing)
        for index, name, known in self._open:
            column = columns[index]
            if unknown := len(column) - sum(map(known, column)):
                self.unknown.add(name, unknown)

    def predictions(self, predictions: list[Any]) -> None:
        """What was answered; for a classifier with two classes also how probable the second was."""
        self.rows[0] += len(predictions)
        if self._has_labels:
            for prediction in predictions:
                self.labels.add(prediction.label)
        if self._second:
            for prediction in predictions:
                probability = prediction.probabilities[self._second]
                if probability == probability:  # not NaN, which a sum would never get rid of
                    self.probability.observe(probability)
        if self._has_values:
            for prediction in predictions:
                if abs(prediction.value) < float("inf"):
                    self.value.observe(prediction.value)
