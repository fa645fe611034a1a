"""Which function writes which estimator.

Dispatch is on the exact class: a subclass may answer differently, so it is not written as its parent.

A model's kind (`child/kinds.py`, found from how the original answers) decides which tensors of a `Prediction`
become outputs of the graph, and `emit/model.py` names them; an emitter fills in what its estimator has:

    classifier        Prediction(index=, probabilities=, decision=)
    regressor         Prediction(value=)                       double [rows]
    outlier           Prediction(index=, score=)               index is the label itself, 1 or -1
    clusterer         Prediction(index=)                       index is the label itself
    multi-classifier  Prediction(indices=, probabilities=)     those of all outputs side by side
    multi-regressor   Prediction(value=)                       double [rows, outputs]
    transformer       no Prediction: what `transform` gives, as one matrix

An estimator that may be fitted on one output or on several (a tree, a linear model) decides by its own fitted
attributes. One that has both `predict` and `transform` (KMeans) is registered twice, as a predictor for when it
is the model, and as a transformer for when it is a step.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Callable, TypeVar

import numpy as np

from .graph import Column, Graph
from .sparse import gives_sparse

if TYPE_CHECKING:
    from collections.abc import Sequence


class NotEmitted(Exception):
    """This estimator, or this setting of it, has no exact graph; the message names it and says why."""


@dataclass(frozen=True)
class Prediction:
    """What a predictor gives, as tensor names; what no output asks for is dropped from the graph.

    index: int64 [rows], the position of a classifier's label in `classes_`; of a clusterer and an outlier
    detector the label itself;
    indices: int64 [rows, outputs], the position of each output's label in its own classes (in `classes_[output]`;
    0 or 1 for what was fitted on an indicator matrix);
    probabilities: double [rows, classes], for several outputs [rows, all classes], those of the first output
    first, as `numpy.hstack(model.predict_proba(x))` gives them (of an indicator matrix 1 - p and p for each
    output);
    decision: double [rows, 1] for two classes, else [rows, classes];
    value: double [rows], for several outputs [rows, outputs];
    score: double [rows], an outlier detector's decision_function().
    """

    index: str | None = None
    probabilities: str | None = None
    decision: str | None = None
    value: str | None = None
    indices: str | None = None
    score: str | None = None


@dataclass(frozen=True)
class Splits:
    """Where a model's trees part rows: `thresholds[i]` of feature `features[i]`; and the features' categories.

    `closed` says that what it answers for any other category means nothing.
    """

    features: list[int]
    thresholds: list[float]
    categories: dict[int, list[Any]]
    closed: bool = False


Transformer = Callable[[Graph, Any, list[Column]], list[Column]]
Predictor = Callable[[Graph, Any, str], Prediction]
Composite = Callable[[Graph, Any, list[Column]], Prediction]
Splitter = Callable[[Any], Splits]
Writer = TypeVar("Writer")

_transformers: dict[str, Transformer] = {}
_predictors: dict[str, Predictor] = {}
_composites: dict[str, Composite] = {}
_splitters: dict[str, Splitter] = {}


def transformer(*paths: str) -> Callable[[Transformer], Transformer]:
    """Register a function that writes transformers; a path is `module:Class` as users import it."""
    return _register(_transformers, paths)


def predictor(*paths: str) -> Callable[[Predictor], Predictor]:
    """Register a function that writes predictors from one numeric matrix, double [rows, features]."""
    return _register(_predictors, paths)


def composite(*paths: str) -> Callable[[Composite], Composite]:
    """Register a function that writes predictors made of others, from columns of any kind."""
    return _register(_composites, paths)


def splitter(*paths: str) -> Callable[[Splitter], Splitter]:
    """Register a function that lists the splits of a model that keeps its trees in a form of its own."""
    return _register(_splitters, paths)


def splits_of(estimator: Any) -> Splits | None:
    find = _find(_splitters, estimator)
    return None if find is None else find(estimator)


def transform(graph: Graph, estimator: Any, columns: Sequence[Column]) -> list[Column]:
    """Write `estimator.transform`."""
    write = _find(_transformers, estimator)
    if write is None:
        raise NotEmitted(f"{describe(estimator)} has no exact emitter")
    result = write(graph, estimator, list(columns))
    if hasattr(estimator, "steps") or hasattr(estimator, "transformer_list"):
        # What these hand on is what their own steps gave.
        return result
    sparse = gives_sparse(estimator, any(column.sparse for column in columns))
    return [column if column.sparse == sparse else replace(column, sparse=sparse) for column in result]


def predict(graph: Graph, estimator: Any, columns: Sequence[Column]) -> Prediction:
    """Write `estimator.predict` and what goes with it."""
    compose = _find(_composites, estimator)
    if compose is not None:
        return compose(graph, estimator, list(columns))
    write = _find(_predictors, estimator)
    if write is None:
        raise NotEmitted(f"{describe(estimator)} has no exact emitter")
    return write(graph, estimator, numeric_matrix(graph, estimator, columns))


def written() -> list[str]:
    """Every path that an emitter is registered for."""
    return sorted({**_transformers, **_predictors, **_composites})


def numeric_matrix(graph: Graph, estimator: Any, columns: Sequence[Column]) -> str:
    """The columns as one matrix, or NotEmitted when one of them is still text."""
    if any(column.kind != "number" for column in columns):
        raise NotEmitted(f"{describe(estimator)} is given a string column")
    return graph.matrix(columns)


def describe(estimator: Any) -> str:
    kind = type(estimator)
    return f"{kind.__module__.split('.')[0]}'s {kind.__qualname__}"


def require(condition: Any, estimator: Any, setting: str) -> None:
    """Refuse a setting that has no exact graph yet."""
    if not np.all(condition):
        raise NotEmitted(f"{describe(estimator)} with {setting} has no exact emitter")


def dense(array: Any) -> np.ndarray:
    """What an estimator keeps of its training rows: a sparse matrix where these were sparse."""
    return np.asarray(array.toarray() if hasattr(array, "toarray") else array, dtype=np.float64)


def is_exactly(estimator: Any, path: str) -> bool:
    """Whether the estimator's class is that of `module:Class`, and no subclass of it."""
    module, _, name = path.partition(":")
    # Not by getattr: that may import, and sklearn refuses some names until they are asked for.
    return module in sys.modules and vars(sys.modules[module]).get(name) is type(estimator)


def _register(registry: dict[str, Writer], paths: Sequence[str]) -> Callable[[Writer], Writer]:
    def register(write: Writer) -> Writer:
        for path in paths:
            registry[path] = write
        return write

    return register


def _find(registry: dict[str, Writer], estimator: Any) -> Writer | None:
    return next((write for path, write in registry.items() if is_exactly(estimator, path)), None)
