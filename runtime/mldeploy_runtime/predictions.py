"""The graph's outputs -> predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType

if TYPE_CHECKING:
    from collections.abc import Callable

    from mldeploy_runtime.arrays import Array
    from mldeploy_runtime.bundle import Manifest

# What the graph gave for one row: (label,), (label, [probability a class]) or (value,).
Raw = tuple[Any, ...]


class ClassPrediction(msgspec.Struct, gc=False):
    """A classifier's answer: `probability` is that of the answered label, `probabilities` are keyed by class.

    `business_label` is there when the model names its classes, the probabilities when it gives any. A
    probability that is not finite is encoded as null.
    """

    label: bool | int | float | str
    business_label: str | UnsetType = UNSET
    probability: float | UnsetType | None = UNSET
    probabilities: dict[str, float | None] | UnsetType = UNSET


class ValuePrediction(msgspec.Struct, gc=False):
    """A regressor's answer. A value that is not finite is encoded as null."""

    value: float | None


Prediction = ClassPrediction | ValuePrediction


def unpack(outputs: list[Array]) -> list[Raw]:
    """One tuple a row from a run's arrays, whose first is [rows] or [rows, 1]."""
    first, *others = outputs
    return list(zip(first.reshape(-1).tolist(), *(array.tolist() for array in others), strict=True))


def prediction_of(manifest: Manifest) -> Callable[[Raw, float | None], Prediction]:
    """A function from what the graph gave for a row, and the request's threshold, to its prediction."""
    return _value_of if manifest.task == "regressor" else _class_of(manifest)


def _value_of(raw: Raw, threshold: float | None) -> Prediction:  # noqa: ARG001 - a value has none
    return ValuePrediction(raw[0])


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
