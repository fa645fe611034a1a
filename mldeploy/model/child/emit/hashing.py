"""HashingVectorizer: texts as counts in columns that the hash of a token chooses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from . import entries
from .graph import CONTRIB, Entries, columns_of
from .registry import describe, require, transformer
from .tokens import grams_of, tokens_of

if TYPE_CHECKING:
    from .graph import Column, Graph


@transformer("sklearn.feature_extraction.text:HashingVectorizer")
def hashing_vectorizer(graph: Graph, vectorizer: Any, columns: list[Column]) -> list[Column]:
    """The hash's remainder is the column, its sign that of the count; what meets in one adds up, or cancels out."""
    low, high = vectorizer.ngram_range
    # Between two spaces a word has three letters at least; one that is shorter than its n-grams counts as a whole.
    require(vectorizer.analyzer != "char_wb" or low <= 3, vectorizer, "words shorter than its n-grams")
    require(np.dtype(vectorizer.dtype).kind == "f", vectorizer, f"dtype={np.dtype(vectorizer.dtype).name}")
    tokens = tokens_of(graph, vectorizer, columns)
    rows, grams = grams_of(graph, tokens, low, high)
    hashed = graph.cast(graph.add("MurmurHash3", grams, domain=CONTRIB, seed=0, positive=0), TensorProto.INT64)
    is_positive = graph.add("GreaterOrEqual", hashed, np.int64(0))
    width = int(vectorizer.n_features)
    found = entries.summed(
        graph,
        Entries(
            rows,
            graph.add("Mod", graph.add("Abs", hashed), width),
            graph.add("Where", is_positive, 1.0, -1.0 if vectorizer.alternate_sign else 1.0),
            graph.add("Slice", graph.add("Shape", tokens.places), np.array([0]), np.array([1])),
            width,
            signed=bool(vectorizer.alternate_sign) and not vectorizer.binary,
            origin=f"{describe(vectorizer)} with n_features={width}",
        ),
    )
    if vectorizer.binary:
        # Also what cancels out, for the original's matrix stores it.
        found = replace(found, values=graph.add("Add", graph.add("Mul", found.values, 0.0), 1.0))
    if vectorizer.norm is not None:
        found = entries.normalised(graph, found, vectorizer.norm)
    if np.dtype(vectorizer.dtype) == np.float32:
        found = replace(found, values=graph.through_float32(found.values))
    return columns_of(entries.matrix(graph, found), width, sparse=True)
