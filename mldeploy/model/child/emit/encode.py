"""Encoders of categories, written as tables.

The fitted encoder itself is run on every category, on a missing value and on one it has never seen, and
what it answers is the table: so every option of every encoder is right by construction.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Callable

import numpy as np
from onnx import TensorProto

from .graph import ML, Column, Graph, columns_of
from .impute import is_missing, same_marker
from .registry import NotEmitted, require, transformer

if TYPE_CHECKING:
    from collections.abc import Sequence

UNSEEN_TEXT = "\ufdd1"


@transformer("sklearn.preprocessing:OneHotEncoder")
def one_hot(graph: Graph, encoder: Any, columns: list[Column]) -> list[Column]:
    require(hasattr(encoder, "_n_features_outs"), encoder, "this version of scikit-learn")
    return _encode(graph, encoder, columns, encoder._n_features_outs)


@transformer("sklearn.preprocessing:OrdinalEncoder")
def ordinal(graph: Graph, encoder: Any, columns: list[Column]) -> list[Column]:
    return _encode(graph, encoder, columns, [1] * len(columns))


@transformer("sklearn.preprocessing:TargetEncoder")
def target(graph: Graph, encoder: Any, columns: list[Column]) -> list[Column]:
    width = len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1
    return _encode(graph, encoder, columns, [width] * len(columns))


def _encode(graph: Graph, encoder: Any, columns: list[Column], widths: Sequence[int]) -> list[Column]:
    """One table a column; `widths` are the numbers of output columns of each."""
    ends = np.cumsum(widths)
    result: list[Column] = []
    for place, column in enumerate(columns):
        block = slice(ends[place] - widths[place], ends[place])
        table = lookup(graph, column, encoder.categories_[place], partial(_run, encoder, place, block))
        result.extend(columns_of(table, widths[place]))
    return result


def lookup(graph: Graph, column: Column, categories: Any, answer: Callable[[Any], np.ndarray]) -> str:
    """A double tensor [rows, width]: for each row what `answer` gives for its value in `column`."""
    known = [value for value in categories if not is_missing(value)]
    if column.kind == "string":
        keys, values = _text_keys(column, known)
        rows = np.array([answer(value) for value in values], dtype=np.float64)
        index = _text_index(graph, column, keys)
    else:
        numbers = sorted({float(value) for value in known})
        unseen = (max(numbers) if numbers else 0.0) + 1.0
        rows = np.array([answer(value) for value in [*numbers, np.nan, unseen]], dtype=np.float64)
        index = _number_index(graph, column, numbers)
    return graph.add("Gather", rows, index, axis=0)


def category_codes(graph: Graph, column: Column, categories: Sequence[Any]) -> Column:
    """The place of each row's value in `categories`; NaN for a missing value and for another."""
    places = {value: float(place) for place, value in enumerate(categories)}

    def code(value: Any) -> np.ndarray:
        return np.array([np.nan if is_missing(value) else places.get(value, np.nan)])

    return columns_of(lookup(graph, column, categories, code), 1)[0]


def _text_keys(column: Column, known: Sequence[Any]) -> tuple[list[str], list[Any]]:
    """What may arrive, and what the encoder sees then; the last two are a missing value and an unseen one."""
    if not all(isinstance(value, str) for value in known):
        raise NotEmitted("an encoder's categories mix text with other types")
    keys = list(dict.fromkeys([str(value) for value in known] + _sources(column)))
    seen: list[Any] = []
    for raw in [*keys, column.missing, UNSEEN_TEXT]:
        value = raw
        for source, target in column.replaced:
            value = target if same_marker(value, source) else value
        seen.append(value)
    return keys, seen


def _sources(column: Column) -> list[str]:
    return [source for source, _ in column.replaced if isinstance(source, str)]


def _text_index(graph: Graph, column: Column, keys: list[str]) -> str:
    size = len(keys)
    picked = graph.add("Gather", column.tensor, np.int64(column.position), axis=1)
    return graph.add(
        "LabelEncoder",
        picked,
        domain=ML,
        keys_strings=[*keys, graph.missing_string],
        values_int64s=list(range(size + 1)),
        default_int64=size + 1,
    )


def _number_index(graph: Graph, column: Column, numbers: Sequence[float]) -> str:
    """The position among `numbers`, then that of a missing value, then that of an unseen one."""
    tensor = graph.matrix([column])
    is_nan = graph.add("IsNaN", tensor)
    equal = graph.add("Equal", tensor, np.array([numbers])) if numbers else None
    hits = graph.add("Concat", *([equal] if equal else []), is_nan, axis=1)
    scores = graph.cast(hits, TensorProto.INT32)
    best = graph.add("ArgMax", scores, axis=1, keepdims=0)
    hit = graph.add("ReduceMax", scores, np.array([1]), keepdims=0)
    found = graph.cast(hit, TensorProto.BOOL)
    return graph.add("Where", found, best, np.int64(len(numbers) + 1))


def _run(encoder: Any, place: int, block: slice, value: Any) -> np.ndarray:
    """The encoder's answer, output columns `block`, to a row of first categories with `value` in one place.

    What it refuses is answered with zeros: the server refuses such a row before the graph sees it.
    """
    row = [categories[0] for categories in encoder.categories_]
    row[place] = value
    text = any(categories.dtype.kind in "OUS" for categories in encoder.categories_)
    try:
        encoded = encoder.transform(np.array([row], dtype=object if text else np.float64))
    except ValueError:
        return np.zeros(block.stop - block.start)
    dense = np.asarray(encoded.toarray() if hasattr(encoded, "toarray") else encoded, dtype=np.float64)
    return dense[0, block]
