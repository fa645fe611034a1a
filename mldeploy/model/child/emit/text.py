"""Count and tf-idf vectorizers: texts as counts of words or of characters, and of sequences of these."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from . import entries
from .graph import MAX_WIDTH, columns_of
from .registry import numeric_matrix, require, transformer
from .tokens import count_grams, places_in, tokens_of

if TYPE_CHECKING:
    from .graph import Column, Entries, Graph


@transformer("sklearn.feature_extraction.text:CountVectorizer")
def count_vectorizer(graph: Graph, vectorizer: Any, columns: list[Column]) -> list[Column]:
    return columns_of(_counts(graph, vectorizer, columns), len(vectorizer.vocabulary_))


@transformer("sklearn.feature_extraction.text:TfidfVectorizer")
def tf_idf_vectorizer(graph: Graph, vectorizer: Any, columns: list[Column]) -> list[Column]:
    weighed = _weigh(graph, vectorizer._tfidf, _counts(graph, vectorizer, columns))
    return columns_of(weighed, len(vectorizer.vocabulary_))


@transformer("sklearn.feature_extraction.text:TfidfTransformer")
def tf_idf_transformer(graph: Graph, transformer: Any, columns: list[Column]) -> list[Column]:
    return columns_of(_weigh(graph, transformer, numeric_matrix(graph, transformer, columns)), len(columns))


def _counts(graph: Graph, vectorizer: Any, columns: list[Column]) -> str:
    """Double [rows, vocabulary]."""
    width = len(vectorizer.vocabulary_)
    require(width <= MAX_WIDTH, vectorizer, f"{width} features, more than {MAX_WIDTH},")
    low, high = vectorizer.ngram_range
    tokens = tokens_of(graph, vectorizer, columns)
    if vectorizer.analyzer == "char_wb":
        short = any(0 < len(term) < low for term in vectorizer.vocabulary_)
        require(not short, vectorizer, "words shorter than its n-grams")
    terms = {
        tuple(term.split(" ") if vectorizer.analyzer == "word" else term): place
        for term, place in vectorizer.vocabulary_.items()
    }
    terms = {term: place for term, place in terms.items() if low <= len(term) <= high and all(term)}
    vocabulary = {token: place for place, token in enumerate(dict.fromkeys(token for term in terms for token in term))}
    grams = {tuple(vocabulary[token] for token in term): place for term, place in terms.items()}
    counts = count_grams(graph, places_in(graph, tokens, vocabulary), grams, width)
    return graph.add("Min", counts, 1.0) if vectorizer.binary else counts


def _weigh(graph: Graph, weights: Any, counts: str) -> str:
    """Counts by the weight of their terms, each row made as long as `norm` says."""
    require(weights.norm in ("l1", "l2", None), weights, f"norm={weights.norm!r}")
    stored = entries.stored(graph, counts)
    if stored is not None:
        return entries.matrix(graph, _weigh_entries(graph, weights, stored))
    if weights.sublinear_tf:
        counts = _sublinear(graph, counts)
    if weights.use_idf:
        counts = graph.add("Mul", counts, np.asarray(weights.idf_, dtype=np.float64))
    if weights.norm is None:
        return counts
    operator = "ReduceL1" if weights.norm == "l1" else "ReduceL2"
    length = graph.add(operator, counts, np.array([1]), keepdims=1)
    return graph.add("Div", counts, graph.add("Where", graph.add("Equal", length, 0.0), 1.0, length))


def _weigh_entries(graph: Graph, weights: Any, stored: Entries) -> Entries:
    values = stored.values
    if weights.sublinear_tf:
        require(not stored.signed, weights, "sublinear_tf=True for counts that may be negative")
        values = _sublinear(graph, values)
    if weights.use_idf:
        idf = np.asarray(weights.idf_, dtype=np.float64)
        values = graph.add("Mul", values, graph.add("Gather", idf, stored.columns, axis=0))
    weighed = replace(stored, values=values)
    return weighed if weights.norm is None else entries.normalised(graph, weighed, weights.norm)


def _sublinear(graph: Graph, counts: str) -> str:
    there = graph.add("Greater", counts, 0.0)
    logarithm = graph.add("Add", graph.add("Log", graph.add("Where", there, counts, 1.0)), 1.0)
    return graph.add("Where", there, logarithm, counts)
