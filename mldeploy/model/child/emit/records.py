"""DictVectorizer: records as columns, words one-hot."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..forms import record_fields
from .encode import lookup
from .graph import columns_of
from .registry import require, transformer

if TYPE_CHECKING:
    from .graph import Column, Graph


@transformer("sklearn.feature_extraction:DictVectorizer")
def dict_vectorizer(graph: Graph, vectorizer: Any, columns: list[Column]) -> list[Column]:
    """A number that a record lacks is 0, and so is each of a word's columns for one that training has not seen."""
    place = {name: number for number, name in enumerate(vectorizer.feature_names_)}
    result: dict[int, Column] = {}
    for (key, words), column in zip(record_fields(vectorizer).items(), columns):
        require((column.kind == "string") == (words is not None), vectorizer, "words and numbers under one key")
        if words is None:
            number = graph.matrix([column])
            filled = graph.add("Where", graph.add("IsNaN", number), 0.0, number)
            result[place[key]] = columns_of(filled, 1)[0]
            continue
        table = lookup(graph, column, words, partial(_one_of, words))
        for word, part in zip(words, columns_of(table, len(words))):
            result[place[f"{key}{vectorizer.separator}{word}"]] = part
    return [result[number] for number in range(len(place))]


def _one_of(words: list[str], word: Any) -> np.ndarray:
    return np.array([float(word == each) for each in words])
