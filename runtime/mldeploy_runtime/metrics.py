"""What is counted: plain numbers while answering, made into metrics only when they are asked for."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mldeploy_runtime.bundle import Manifest
    from mldeploy_runtime.contract import Row

# Seconds; fine enough to tell 1 ms from 5 ms from 100 ms.
SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
PROBABILITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Histogram:
    """Counts by bucket: a value falls into the first whose bound it does not exceed, else into the last."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Metrics:
    """Numbers without locks: a prometheus_client counter takes one each time, which the hot path cannot afford."""

    def __init__(self, manifest: Manifest) -> None:
        self.requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.seconds: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(SECONDS))
        self.problems: defaultdict[str, int] = defaultdict(int)
        self.rows = 0
        self.labels: defaultdict[Any, int] = defaultdict(int)
        self.probability = Histogram(PROBABILITIES)
        self.missing = {field.name: 0 for field in manifest.inputs if field.nullable}
        self.unknown = {field.name: 0 for field in manifest.inputs if field.unknown == "ignore"}
        self._nullable = [(index, field.name) for index, field in enumerate(manifest.inputs) if field.nullable]
        self._open = [
            (index, field.name, frozenset([*(field.categories or ()), None]).__contains__)
            for index, field in enumerate(manifest.inputs)
            if field.unknown == "ignore"
        ]
        self._has_labels = manifest.task in ("classifier", "outlier", "clusterer")
        self._second = str(manifest.outputs.classes[1]) if manifest.outputs.classes and manifest.takes_threshold else ""

    def request(self, route: str, status: int, seconds: float) -> None:
        self.requests[route, status] += 1
        self.seconds[route].observe(seconds)

    def columns(self, columns: list[Row]) -> None:
        """What the fields of a run held, one tuple a field of the manifest."""
        for index, name in self._nullable:
            self.missing[name] += columns[index].count(None)
        for index, name, known in self._open:
            column = columns[index]
            self.unknown[name] += len(column) - sum(map(known, column))

    def predictions(self, predictions: list[Any]) -> None:
        """What was answered; for a classifier with two classes also how probable the second was."""
        self.rows += len(predictions)
        if self._has_labels:
            for prediction in predictions:
                self.labels[prediction.label] += 1
        if self._second:
            for prediction in predictions:
                probability = prediction.probabilities[self._second]
                if probability == probability:  # not NaN, which a sum would never get rid of
                    self.probability.observe(probability)
