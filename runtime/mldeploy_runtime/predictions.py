"""The graph's outputs -> predictions."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType

if TYPE_CHECKING:
    from collections.abc import Callable

    from mldeploy_runtime.arrays import Array
    from mldeploy_runtime.bundle import Manifest, Task

# What the graph gave for one row, an entry an output: a number, a label, or a list where an output has several.
Raw = tuple[Any, ...]

Label = bool | int | float | str


class ClassPrediction(msgspec.Struct, gc=False):
    """A classifier's answer: `probability` is that of the answered label, `probabilities` are keyed by class.

    `business_label` is there when the model names its classes, the probabilities when it gives any. A
    probability that is not finite is encoded as null.
    """

    label: Label
    business_label: str | UnsetType = UNSET
    probability: float | UnsetType | None = UNSET
    probabilities: dict[str, float | None] | UnsetType = UNSET


class ValuePrediction(msgspec.Struct, gc=False):
    """A regressor's answer. A value that is not finite is encoded as null."""

    value: float | None


class OutlierPrediction(msgspec.Struct, gc=False):
    """An outlier detector's answer: `label` is 1, or -1 for an outlier; the lower `score`, the more it is one."""

    label: int
    score: float | None


class ClusterPrediction(msgspec.Struct, gc=False):
    """A clusterer's answer: the number of the cluster."""

    label: int


class LabelsPrediction(msgspec.Struct, gc=False):
    """The answer of a classifier of several outputs, keyed by output, and the probabilities then by class."""

    labels: dict[str, Label]
    probabilities: dict[str, dict[str, float | None]] | UnsetType = UNSET


class ValuesPrediction(msgspec.Struct, gc=False):
    """The answer of a regressor of several outputs or of a transformer, keyed by output."""

    values: dict[str, float | None]


Prediction = (
    ClassPrediction | ValuePrediction | OutlierPrediction | ClusterPrediction | LabelsPrediction | ValuesPrediction
)
# What is answered by each task.
TYPES: dict[Task, type[Prediction]] = {
    "classifier": ClassPrediction,
    "regressor": ValuePrediction,
    "outlier": OutlierPrediction,
    "clusterer": ClusterPrediction,
    "multi-classifier": LabelsPrediction,
    "multi-regressor": ValuesPrediction,
    "transformer": ValuesPrediction,
}


def unpack_of(manifest: Manifest) -> Callable[[list[Array]], list[Raw]]:
    """A function from a run's arrays, those of `graph.outputs`, to one tuple a row.

    Of a model of one output all but the probabilities are [rows] or [rows, 1].
    """
    graph = manifest.graph
    flat = [manifest.outputs.names is None and name != graph.probabilities for name in graph.outputs]

    def unpack(outputs: list[Array]) -> list[Raw]:
        columns = [array.reshape(-1) if is_flat else array for array, is_flat in zip(outputs, flat, strict=True)]
        return list(zip(*(column.tolist() for column in columns), strict=True))

    return unpack


def prediction_of(manifest: Manifest) -> Callable[[Raw, float | None], Prediction]:
    """A function from what the graph gave for a row, and the request's threshold, to its prediction."""
    if manifest.task == "classifier":
        return _class_of(manifest)
    if manifest.task == "multi-classifier":
        return _labels_of(manifest)
    if manifest.outputs.names is not None:
        return _values_of(manifest.outputs.names)
    plain = TYPES[manifest.task]
    return lambda raw, _: plain(*raw)


def _class_of(manifest: Manifest) -> Callable[[Raw, float | None], Prediction]:
    classes = manifest.outputs.classes or ()
    keys = [str(label) for label in classes]
    names = manifest.outputs.labels or (UNSET,) * len(classes)
    # A graph has no bool, and sometimes no float, labels: it gives them as int64 or as text.
    index_of: dict[Any, int] = {key: index for index, key in enumerate(keys)}
    index_of |= {label: index for index, label in enumerate(classes)}

    def predict(raw: Raw, threshold: float | None) -> Prediction:
        if len(raw) == 1:
            index = index_of[raw[0]]
            return ClassPrediction(classes[index], names[index])
        label, probabilities = raw
        index = index_of[label] if threshold is None else int(probabilities[1] >= threshold)
        return ClassPrediction(
            classes[index], names[index], probabilities[index], dict(zip(keys, probabilities, strict=True))
        )

    return predict


def _labels_of(manifest: Manifest) -> Callable[[Raw, float | None], Prediction]:
    names, by_output = manifest.outputs.names or (), manifest.outputs.classes_by_output or ()
    ends = list(accumulate(len(classes) for classes in by_output))
    # Where the probabilities of each output are, and by which keys they are answered.
    places = [
        (name, [str(label) for label in classes], slice(end - len(classes), end))
        for name, classes, end in zip(names, by_output, ends, strict=True)
    ]

    def predict(raw: Raw, threshold: float | None) -> Prediction:  # noqa: ARG001 - there is no one threshold
        indices, *probabilities = raw
        labels = {name: classes[at] for name, classes, at in zip(names, by_output, indices, strict=True)}
        if not probabilities:
            return LabelsPrediction(labels)
        (shares,) = probabilities
        return LabelsPrediction(
            labels, {name: dict(zip(keys, shares[place], strict=True)) for name, keys, place in places}
        )

    return predict


def _values_of(names: tuple[str, ...]) -> Callable[[Raw, float | None], Prediction]:
    return lambda raw, _: ValuesPrediction(dict(zip(names, raw[0], strict=True)))
