"""Text in a graph is lowercased, rid of accents and hashed as by Python and scikit-learn."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from sklearn.feature_extraction.text import strip_accents_ascii, strip_accents_unicode
from sklearn.utils import murmurhash3_32

from mldeploy.model.child.emit.graph import CONTRIB, Graph
from mldeploy.model.child.emit.strings import LETTERS, lowered, without_accents

if TYPE_CHECKING:
    from collections.abc import Callable

# What decides whether a sigma ends a word, and the one capital that becomes two letters.
AROUND_SIGMA = "\u03a3\u03c3\u03c2a\u01301.:' \u00ad\u0307\u0345\u02b0\n"
TEXTS = st.lists(st.text(st.sampled_from(AROUND_SIGMA)) | st.text(st.characters(exclude_categories=["Cs"])), min_size=1)

WRITTEN: dict[str, Callable[[Graph], str]] = {
    "lower": lambda graph: lowered(graph, "x"),
    "unicode": lambda graph: without_accents(graph, "x", "unicode"),
    "ascii": lambda graph: without_accents(graph, "x", "ascii"),
    "hash": lambda graph: graph.add("MurmurHash3", "x", domain=CONTRIB, seed=0, positive=0),
}
ORIGINAL: dict[str, Callable[[str], str | int]] = {
    "lower": str.lower,
    "unicode": strip_accents_unicode,
    "ascii": strip_accents_ascii,
    "hash": murmurhash3_32,
}


@cache
def session(name: str) -> onnxruntime.InferenceSession:
    graph = Graph()
    output = helper.make_empty_tensor_value_info(WRITTEN[name](graph))
    built = graph.build([helper.make_tensor_value_info("x", TensorProto.STRING, [None])], [output])
    return onnxruntime.InferenceSession(built.SerializeToString(), providers=["CPUExecutionProvider"])


def written(name: str, texts: list[str]) -> list[str | int]:
    answered: list[str | int] = session(name).run(None, {"x": np.array(texts, dtype=object)})[0].tolist()
    return answered


@pytest.mark.parametrize("name", WRITTEN)
def test_every_letter_becomes_what_the_original_makes_of_it(name: str) -> None:
    assert written(name, LETTERS) == [ORIGINAL[name](letter) for letter in LETTERS]


@pytest.mark.parametrize("name", WRITTEN)
@given(texts=TEXTS)
def test_texts_become_what_the_original_makes_of_them(name: str, texts: list[str]) -> None:
    assert written(name, texts) == [ORIGINAL[name](text) for text in texts]
