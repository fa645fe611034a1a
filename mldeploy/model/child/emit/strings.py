"""Text as the original's preprocessing leaves it: lowercased as Python does it, and without accents.

Strings come and go as [rows].
"""

from __future__ import annotations

import sys
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from .graph import CONTRIB, ML
from .registry import require

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .graph import Column, Graph

LETTERS = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
SIGMA, FINAL_SIGMA, SMALL_SIGMA = "\u03a3", "\u03c2", "\u03c3"
DOTTED_I = "\u0130"
SAME = "\ufdd1"
"""Of a table of letters: leave this one as it is. Unicode keeps it free for such uses."""


def preprocessed(graph: Graph, vectorizer: Any, column: Column) -> str:
    """What the vectorizer's own preprocessing makes of its column of text."""
    text = graph.add("Gather", column.tensor, np.int64(column.position), axis=1)
    if vectorizer.lowercase:
        text = lowered(graph, text)
    if vectorizer.strip_accents is None:
        return text
    require(not callable(vectorizer.strip_accents), vectorizer, "strip_accents of its own")
    return without_accents(graph, text, vectorizer.strip_accents)


def letters_of(graph: Graph, text: str) -> str:
    """Each letter a string: [rows, letters], filled up with empty ones."""
    return graph.add("Tokenizer", text, domain=CONTRIB, mark=0, mincharnum=1, pad_value="", separators=[""])


def letter_class(letters: Iterable[str]) -> str:
    """The letters as a class of the operators' regular expressions."""
    codes = sorted(map(ord, letters))
    gaps = [place for place in range(1, len(codes)) if codes[place] != codes[place - 1] + 1]
    runs = zip([0, *gaps], [*gaps, len(codes)])
    return "[" + "".join(rf"\x{{{codes[start]:x}}}-\x{{{codes[stop - 1]:x}}}" for start, stop in runs) + "]"


def lowered(graph: Graph, text: str) -> str:
    """As `str.lower` does it.

    The operator does so letter by letter. In two cases Python does otherwise: İ becomes two letters, and Σ one that
    hangs on what is around it.
    """
    parts, is_between = _split(graph, text, DOTTED_I)
    text = _joined(graph, parts, graph.add("Where", is_between, graph.constant(DOTTED_I.lower()), graph.constant("")))
    parts, is_between = _split(graph, text, SIGMA)
    final = _ends_a_word(graph, parts, is_between)
    sigma = graph.add("Where", final, graph.constant(FINAL_SIGMA), graph.constant(SMALL_SIGMA))
    sigma = graph.add("Where", is_between, sigma, graph.constant(""))
    flat = graph.add("Reshape", parts, np.array([1, -1]))
    small = graph.add("StringNormalizer", flat, case_change_action="LOWER", is_case_sensitive=1, locale="C.UTF-8")
    return _joined(graph, graph.add("Reshape", small, graph.add("Shape", parts)), sigma)


def _ends_a_word(graph: Graph, parts: str, is_between: str) -> str:
    """Whether the Σ behind each part ends a word: bool [rows, parts].

    It does where a letter with case comes before it and none behind it, past all that Unicode ignores in between.
    """
    cased, ignored = _around_sigma()
    only_ignored = graph.add("RegexFullMatch", parts, pattern=f"{ignored}*")
    ends_cased = graph.add("RegexFullMatch", parts, pattern=f"(?s).*{cased}{ignored}*")
    starts_cased = graph.add("RegexFullMatch", parts, pattern=f"(?s){ignored}*{cased}.*")
    is_first = graph.add("Equal", _places(graph, parts), np.int64(0))
    # Another Σ, which has case, is what comes before and behind a part without any letters.
    cased_before = graph.add("Or", ends_cased, graph.add("And", only_ignored, graph.add("Not", is_first)))
    cased_from = graph.add("Or", starts_cased, graph.add("And", only_ignored, is_between))
    moved = graph.add("Pad", graph.cast(cased_from, TensorProto.INT64), np.array([0, -1, 0, 1]), np.int64(0))
    return graph.add("And", cased_before, graph.add("Equal", moved, np.int64(0)))


@cache
def _around_sigma() -> tuple[str, str]:
    """The letters with case, and those that Python passes over in search of one, found by asking Python."""
    with_case = {letter for letter in LETTERS if f"1{letter}{SIGMA}".lower()[-1] == FINAL_SIGMA}
    passed = {letter for letter in LETTERS if f"a{letter}{SIGMA}".lower()[-1] == FINAL_SIGMA}
    return letter_class(with_case), letter_class(passed - with_case)


def without_accents(graph: Graph, text: str, how: str) -> str:
    """As `strip_accents_unicode` and `strip_accents_ascii` do it, which look at each letter alone."""
    images = {letter: _without_accent(letter, how) for letter in LETTERS}
    if how == "ascii":
        default, known = "", {letter: image for letter, image in images.items() if image}
    else:
        default, known = SAME, {letter: image for letter, image in images.items() if image != letter}
    letters = letters_of(graph, text)
    found = graph.add(
        "LabelEncoder",
        letters,
        domain=ML,
        keys_strings=list(known),
        values_strings=list(known.values()),
        default_string=default,
    )
    is_same = graph.add("Equal", found, graph.constant(SAME))
    return _joined(graph, graph.add("Where", is_same, letters, found))


def _without_accent(letter: str, how: str) -> str:
    parts = unicodedata.normalize("NFKD", letter)
    if how == "ascii":
        return parts.encode("ascii", "ignore").decode()
    return "".join(part for part in parts if not unicodedata.combining(part))


def _split(graph: Graph, text: str, at: str) -> tuple[str, str]:
    """The parts of each text between the letter `at`: strings [rows, parts]; and after which of them it stands."""
    parts, count = graph.add_many("StringSplit", text, count=2, delimiter=at)
    # One more, for what is empty has no parts.
    parts = graph.add("Concat", parts, _blank(graph, parts, 1), axis=1)
    last = graph.add("Unsqueeze", graph.add("Sub", count, 1), np.array([1]))
    return parts, graph.add("Less", _places(graph, parts), last)


def _places(graph: Graph, parts: str) -> str:
    """0, 1, ... : int64 [parts]."""
    width = graph.add("Gather", graph.add("Shape", parts), np.int64(1), axis=0)
    return graph.add("Range", np.int64(0), width, np.int64(1))


def _blank(graph: Graph, parts: str, width: int) -> str:
    """Empty strings [rows, width]."""
    rows = graph.add("Gather", graph.add("Shape", parts), np.array([0]), axis=0)
    return graph.add("Expand", graph.constant(""), graph.add("Concat", rows, np.array([width]), axis=0))


def _joined(graph: Graph, parts: str, behind: str = "") -> str:
    """The parts, strings [rows, parts], one behind the other; each first put together with what is `behind` it.

    Neighbours are put together in pairs, until one is left.
    """
    parts = graph.add("StringConcat", parts, behind) if behind else parts

    def halve(state: list[str]) -> tuple[str, list[str]]:
        wide = state[0]
        width = graph.add("Gather", graph.add("Shape", wide), np.array([1]), axis=0)
        left = graph.add("Max", graph.add("Div", graph.add("Add", width, 1), 2), 1)
        padded, end = graph.add("Concat", wide, _blank(graph, wide, 2), axis=1), graph.add("Mul", left, 2)
        first, second = (graph.add("Slice", padded, np.array([at]), end, np.array([1]), np.array([2])) for at in (0, 1))
        go_on = graph.add("Squeeze", graph.add("Greater", left, 1))
        return go_on, [graph.add("StringConcat", first, second)]

    [whole] = graph.loop(64, [parts], halve, TensorProto.STRING)
    return graph.add("Reshape", whole, np.array([-1]))
