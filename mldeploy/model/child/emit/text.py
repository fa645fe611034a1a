"""Count and tf-idf vectorizers: texts as counts of words or of characters, and of sequences of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .graph import columns_of
from .registry import NotEmitted, describe, numeric_matrix, require, transformer
from .tokens import char_tokens, count_grams, word_tokens

if TYPE_CHECKING:
    from .graph import Column, Graph

MAX_WIDTH = 1 << 17
"""Columns up to which a row of counts is made: 1 MB."""


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
    require(vectorizer.input == "content", vectorizer, f"input={vectorizer.input!r}")
    for setting in ("preprocessor", "tokenizer"):
        require(getattr(vectorizer, setting) is None, vectorizer, f"a {setting} of its own")
    require(not callable(vectorizer.analyzer), vectorizer, "an analyzer of its own")
    width = len(vectorizer.vocabulary_)
    require(width <= MAX_WIDTH, vectorizer, f"{width} features, more than {MAX_WIDTH},")
    if len(columns) != 1 or columns[0].kind != "string" or columns[0].replaced:
        raise NotEmitted(f"{describe(vectorizer)} is given something else than one column of text")
    count = _count_words if vectorizer.analyzer == "word" else _count_letters
    counts = count(graph, vectorizer, columns[0], width)
    return graph.add("Min", counts, 1.0) if vectorizer.binary else counts


def _count_words(graph: Graph, vectorizer: Any, column: Column, width: int) -> str:
    require(vectorizer.strip_accents is None, vectorizer, f"strip_accents={vectorizer.strip_accents!r} on words")
    low, high = vectorizer.ngram_range
    terms = {tuple(term.split(" ")): place for term, place in vectorizer.vocabulary_.items()}
    terms = {term: place for term, place in terms.items() if low <= len(term) <= high and all(term)}
    words = list(dict.fromkeys(word for term in terms for word in term))
    places = {word: place for place, word in enumerate(words)}
    grams = {tuple(places[word] for word in term): place for term, place in terms.items()}
    return count_grams(graph, word_tokens(graph, vectorizer, column, words), grams, width)


def _count_letters(graph: Graph, vectorizer: Any, column: Column, width: int) -> str:
    require(not callable(vectorizer.strip_accents), vectorizer, "strip_accents of its own")
    low, high = vectorizer.ngram_range
    if vectorizer.analyzer == "char_wb":
        short = any(0 < len(term) < low for term in vectorizer.vocabulary_)
        require(not short, vectorizer, "words shorter than its n-grams")
    terms = {term: place for term, place in vectorizer.vocabulary_.items() if low <= len(term) <= high}
    tokens, alphabet = char_tokens(graph, vectorizer, column, sorted(set("".join(terms))))
    places = {letter: place for place, letter in enumerate(alphabet)}
    grams = {tuple(places[letter] for letter in term): place for term, place in terms.items()}
    return count_grams(graph, tokens, grams, width)


def _weigh(graph: Graph, weights: Any, counts: str) -> str:
    """Counts by the weight of their terms, each row made as long as `norm` says."""
    if weights.sublinear_tf:
        there = graph.add("Greater", counts, 0.0)
        logarithm = graph.add("Add", graph.add("Log", graph.add("Where", there, counts, 1.0)), 1.0)
        counts = graph.add("Where", there, logarithm, counts)
    if weights.use_idf:
        counts = graph.add("Mul", counts, np.asarray(weights.idf_, dtype=np.float64))
    if weights.norm is None:
        return counts
    require(weights.norm in ("l1", "l2"), weights, f"norm={weights.norm!r}")
    operator = "ReduceL1" if weights.norm == "l1" else "ReduceL2"
    length = graph.add(operator, counts, np.array([1]), keepdims=1)
    return graph.add("Div", counts, graph.add("Where", graph.add("Equal", length, 0.0), 1.0, length))
