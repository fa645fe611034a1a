"""The model's answers -> a table whose columns follow from its task."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mldeploy.model.parity import Converted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mldeploy.bundle import Manifest, Scalar

TYPES = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


def answer_table(manifest: Manifest, answered: Converted, kept: Sequence[int], rows: int) -> pa.Table:
    """A table of `rows` rows, empty but for those `kept`, which hold the answers (and not where these are refused).

    A number that is not finite is null, as it is over HTTP.
    """
    table = pa.table(dict(_columns(manifest, answered)))
    places: list[int | None] = [None] * rows
    for at, row in enumerate(kept):
        places[row] = None if at in answered.refused else at
    return table.take(pa.array(places, pa.int64()))


def empty_table(manifest: Manifest) -> pa.Table:
    """The table of no answers, which has the columns of any."""
    outputs, graph = manifest.outputs, manifest.graph
    width = sum(len(classes) for classes in outputs.classes_by_output or (outputs.classes or (),))
    nothing = Converted(
        labels=[],
        probabilities=np.empty((0, width)) if graph.probabilities else None,
        values=np.empty((0, len(outputs.names)) if outputs.names else 0),
        scores=np.empty(0),
    )
    return pa.table(dict(_columns(manifest, nothing)))


def _columns(manifest: Manifest, answered: Converted) -> Iterator[tuple[str, pa.Array]]:
    outputs, graph = manifest.outputs, manifest.graph
    if outputs.classes_by_output is not None:
        yield from _several_labels(manifest, answered)
    elif graph.label is not None:
        yield "label", _labels(outputs.classes or (0,), answered.labels or [])
        if answered.probabilities is not None:
            yield from _probabilities("probability", outputs.classes or (), answered.probabilities)
    if graph.score is not None and answered.scores is not None:
        yield "score", _numbers(answered.scores)
    if graph.value is not None and answered.values is not None:
        if outputs.names is None:
            yield "value", _numbers(answered.values)
        for place, name in enumerate(outputs.names or ()):
            yield f"value:{name}", _numbers(answered.values[:, place])


def _several_labels(manifest: Manifest, answered: Converted) -> Iterator[tuple[str, pa.Array]]:
    names, by_output = manifest.outputs.names or (), manifest.outputs.classes_by_output or ()
    for place, (name, classes) in enumerate(zip(names, by_output, strict=True)):
        yield f"label:{name}", _labels(classes, [labels[place] for labels in answered.labels or []])
    if answered.probabilities is None:
        return
    ends = accumulate(len(classes) for classes in by_output)
    for name, classes, end in zip(names, by_output, ends, strict=True):
        yield from _probabilities(f"probability:{name}", classes, answered.probabilities[:, end - len(classes) : end])


def _probabilities(prefix: str, classes: Sequence[Scalar], shares: Any) -> Iterator[tuple[str, pa.Array]]:
    for place, each in enumerate(classes):
        yield f"{prefix}:{each}", _numbers(shares[:, place])


def _labels(classes: Sequence[Scalar], labels: list[Any]) -> pa.Array:
    return pa.array(labels, TYPES[type(classes[0])])


def _numbers(values: Any) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~np.isfinite(values))
