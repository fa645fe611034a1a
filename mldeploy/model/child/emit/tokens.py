"""Text cut into tokens, words or letters, and the sequences of these that vectorizers count.

Words come from onnxruntime's own tokenizer, whose classes of letters are Unicode's as Python's are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto

from .graph import CONTRIB, ML
from .registry import NotEmitted, describe, require
from .strings import LETTERS, letter_class, letters_of, preprocessed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .graph import Column, Graph

try:
    from re import _parser as parser
except ImportError:
    import sre_parse as parser  # Python before 3.11

UNKNOWN = -1
DROPPED = -2
"""What is taken out before n-grams are made."""
END = -3
"""What stands behind the last token of each row, at least once."""

SPACES = "".join(letter for letter in LETTERS if letter.isspace())
WORD = r"[\pL\pN_]"
NOT_SPACE = f"[^{letter_class(SPACES)[1:-1]}]"


@dataclass(frozen=True)
class Tokens:
    """The tokens of a request: `places`, int64 [rows, tokens], are those in `strings`, or a negative number for none.

    `strings` [any] are all that there are, in no order, and last an empty one; `between` is what n-grams put
    between two tokens.
    """

    places: str
    strings: str
    between: str


def tokens_of(graph: Graph, vectorizer: Any, columns: list[Column]) -> Tokens:
    """What the vectorizer's own analyzer makes n-grams of."""
    require(vectorizer.input == "content", vectorizer, f"input={vectorizer.input!r}")
    for setting in ("preprocessor", "tokenizer"):
        require(getattr(vectorizer, setting) is None, vectorizer, f"a {setting} of its own")
    require(not callable(vectorizer.analyzer), vectorizer, "an analyzer of its own")
    if len(columns) != 1 or columns[0].kind != "string" or columns[0].replaced:
        raise NotEmitted(f"{describe(vectorizer)} is given something else than one column of text")
    text = preprocessed(graph, vectorizer, columns[0])
    return _words(graph, vectorizer, text) if vectorizer.analyzer == "word" else _letters(graph, vectorizer, text)


def _words(graph: Graph, vectorizer: Any, text: str) -> Tokens:
    """Each word, without stop words."""
    letter, least = _pattern(vectorizer)
    expression = f"{letter}{{{least},}}"
    found = graph.add("Tokenizer", text, domain=CONTRIB, mark=0, mincharnum=1, pad_value="", tokenexp=expression)
    dropped = dict.fromkeys(["", *(vectorizer.get_stop_words() or ())], DROPPED)
    strings = _listed(graph, found)
    places = graph.add(
        "Where", graph.add("Equal", _look_up(graph, found, dropped), DROPPED), DROPPED, _count_up(graph, found)
    )
    return Tokens(_compacted(graph, places), strings, " ")


def _letters(graph: Graph, vectorizer: Any, text: str) -> Tokens:
    """Each letter, after `SPACES`, which come first in the strings.

    A run of spaces counts as one. With analyzer="char_wb" each word stands between two spaces, apart from the next.
    """
    found = letters_of(graph, text)
    spaces = {space: place for place, space in enumerate(SPACES)}
    known = _look_up(graph, found, {**spaces, "": DROPPED})
    others = graph.add("Add", _count_up(graph, found), len(SPACES))
    places = _compacted(graph, graph.add("Where", graph.add("Equal", known, UNKNOWN), others, known))
    strings = graph.add("Concat", graph.constant(list(SPACES)), _listed(graph, found), axis=0)
    before, after = _shifted(graph, places, 1), _shifted(graph, places, -1)
    if vectorizer.analyzer == "char":
        is_space, again, more = (_is_space(graph, each) for each in (places, before, after))
        joined = graph.add("Where", graph.add("And", is_space, more), SPACES.index(" "), places)
        repeated = graph.add("And", is_space, again)
        return Tokens(_compacted(graph, graph.add("Where", repeated, DROPPED, joined)), strings, "")
    in_word, word_before, word_after = (graph.add("Not", _is_gap(graph, each)) for each in (places, before, after))
    starts = graph.add("And", in_word, graph.add("Not", word_before))
    ends = graph.add("And", in_word, graph.add("Not", word_after))
    space = SPACES.index(" ")
    parts: list[tuple[str, str | int]] = [(starts, space), (in_word, places), (ends, space), (ends, UNKNOWN)]
    slots = [graph.add("Where", here, there, DROPPED) for here, there in parts]
    side_by_side = graph.add("Concat", *(graph.add("Unsqueeze", slot, np.array([2])) for slot in slots), axis=2)
    return Tokens(_compacted(graph, graph.add("Reshape", side_by_side, np.array([0, -1]))), strings, "")


def places_in(graph: Graph, tokens: Tokens, vocabulary: Mapping[str, int]) -> str:
    """The place of each token in a vocabulary: int64 [rows, tokens], with negative numbers for the others."""
    places = _at(graph, _look_up(graph, tokens.strings, vocabulary), tokens.places)
    return graph.add("Where", graph.add("Less", tokens.places, np.int64(0)), tokens.places, places)


def grams_of(graph: Graph, tokens: Tokens, low: int, high: int) -> tuple[str, str]:
    """Every sequence of `low` to `high` tokens: the row of each, int64 [sequences], and how it is spelled."""
    places = graph.add("Pad", tokens.places, np.array([0, 0, 0, high - 1]), np.int64(END))
    width = graph.add("Gather", graph.add("Shape", places), np.int64(1), axis=0)
    flat = graph.add("Reshape", places, np.array([-1]))
    goes_on = graph.add("GreaterOrEqual", places, np.int64(0))
    rows, grams = [], []
    for size in range(1, high + 1):
        if size > 1:
            last = graph.add("GreaterOrEqual", _shifted(graph, places, 1 - size), np.int64(0))
            goes_on = graph.add("And", goes_on, last)
        if size < low:
            continue
        row, start = graph.add_many("Split", graph.add("NonZero", goes_on), count=2, axis=0, num_outputs=2)
        first = graph.add("Add", graph.add("Mul", row, width), start)
        found = [graph.add("Gather", flat, graph.add("Add", first, step), axis=0) for step in range(size)]
        gram, *others = (_at(graph, tokens.strings, each) for each in found)
        for other in others:
            gram = graph.add("StringConcat", graph.add("StringConcat", gram, graph.constant(tokens.between)), other)
        rows.append(graph.add("Reshape", row, np.array([-1])))
        grams.append(graph.add("Reshape", gram, np.array([-1])))
    return graph.add("Concat", *rows, axis=0), graph.add("Concat", *grams, axis=0)


def count_grams(graph: Graph, tokens: str, grams: Mapping[tuple[int, ...], int], width: int) -> str:
    """How often each sequence of tokens comes: double [rows, width], each in the column that `grams` gives it."""
    if not grams:
        raise NotEmitted("a vectorizer whose vocabulary can never be met has no exact emitter")
    longest = max(map(len, grams))
    ordered = sorted(grams, key=lambda gram: (len(gram), grams[gram]))
    sizes = [sum(len(gram) for gram in ordered if len(gram) < size) for size in range(1, longest + 1)]
    counted = graph.add(
        "TfIdfVectorizer",
        tokens,
        mode="TF",
        min_gram_length=min(map(len, grams)),
        max_gram_length=longest,
        max_skip_count=0,
        ngram_counts=sizes,
        ngram_indexes=[grams[gram] for gram in ordered],
        pool_int64s=[token for gram in ordered for token in gram],
    )
    met = max(grams.values()) + 1
    counts = graph.cast(counted, TensorProto.DOUBLE)
    return counts if met == width else graph.add("Pad", counts, np.array([0, 0, 0, width - met]), 0.0)


def _listed(graph: Graph, found: str) -> str:
    """All strings of a tensor one behind the other, and an empty one."""
    return graph.add("Concat", graph.add("Reshape", found, np.array([-1])), graph.constant([""]), axis=0)


def _count_up(graph: Graph, found: str) -> str:
    """0, 1, ... in the shape of a tensor: the places of its strings once they are listed."""
    size = graph.add("Size", found)
    counted = graph.add("Range", np.int64(0), size, np.int64(1))
    return graph.add("Reshape", counted, graph.add("Shape", found), allowzero=1)


def _at(graph: Graph, listed: str, places: str) -> str:
    """What stands at these places of a list; the last of it for those that are none."""
    return graph.add("Gather", listed, graph.add("Max", places, -1), axis=0)


def _look_up(graph: Graph, tokens: str, places: Mapping[str, int]) -> str:
    return graph.add(
        "LabelEncoder",
        tokens,
        domain=ML,
        keys_strings=list(places),
        values_int64s=list(places.values()),
        default_int64=UNKNOWN,
    )


def _compacted(graph: Graph, tokens: str) -> str:
    """Each row without what is to be dropped, moved up, and filled with END to one more than it had."""
    kept = graph.add("Not", graph.add("Equal", tokens, DROPPED))
    reached = graph.add("CumSum", graph.cast(kept, TensorProto.INT64), np.int64(1))
    shape = graph.add("Add", graph.add("Shape", tokens), np.array([0, 1]))
    last = graph.add("Gather", graph.add("Shape", tokens), np.array(1), axis=0)
    place = graph.add("Where", kept, graph.add("Sub", reached, 1), last)
    empty = graph.add("Expand", np.int64(END), shape)
    return graph.add("ScatterElements", empty, place, graph.add("Where", kept, tokens, END), axis=1)


def _shifted(graph: Graph, tokens: str, by: int) -> str:
    """The tokens so many places on: what comes before each (by 1) or behind it (by -1)."""
    return graph.add("Pad", tokens, np.array([0, by, 0, -by]), np.int64(END))


def _is_space(graph: Graph, tokens: str) -> str:
    """Spaces are the first letters of the alphabet."""
    return graph.add(
        "And", graph.add("GreaterOrEqual", tokens, np.int64(0)), graph.add("Less", tokens, np.int64(len(SPACES)))
    )


def _is_gap(graph: Graph, tokens: str) -> str:
    return graph.add("Or", _is_space(graph, tokens), graph.add("Equal", tokens, END))


def _pattern(vectorizer: Any) -> tuple[str, int]:
    """What the token pattern asks for, where it is a run of one kind of letters: their class, and how many at least."""
    why = f"token_pattern={vectorizer.token_pattern!r}, which is no run of letters,"
    parsed = parser.parse(vectorizer.token_pattern)
    require(parsed.state.flags & ~re.UNICODE == 0, vectorizer, why)
    items = list(parsed)
    boundary = (parser.AT, parser.AT_BOUNDARY)
    bounded = boundary in items
    items = items[1:] if items[:1] == [boundary] else items
    items = items[:-1] if items[-1:] == [boundary] else items
    letters, least, endless = set(), 0, False
    for name, argument in items:
        low, high, inner = (1, 1, [(name, argument)])
        if name is parser.MAX_REPEAT:
            low, high, inner = argument
        require(len(inner) == 1, vectorizer, why)
        letters.add(_letter_class(vectorizer, *inner[0], why))
        least += low
        endless = high is parser.MAXREPEAT
    require(len(letters) == 1 and least >= 1 and endless, vectorizer, why)
    letter = letters.pop()
    require(letter == WORD or not bounded, vectorizer, why)
    return letter, least


def _letter_class(vectorizer: Any, name: Any, argument: Any, why: str) -> str:
    """One element of a pattern as a class of the operator's regular expressions."""
    members = argument if name is parser.IN else [(name, argument)]
    if members == [(parser.CATEGORY, parser.CATEGORY_WORD)]:
        return WORD
    if members in (
        [(parser.CATEGORY, parser.CATEGORY_NOT_SPACE)],
        [(parser.NEGATE, None), (parser.CATEGORY, parser.CATEGORY_SPACE)],
    ):
        return NOT_SPACE
    parts = []
    for kind, value in members:
        if kind is parser.CATEGORY and value is parser.CATEGORY_WORD:
            parts.append(WORD[1:-1])
        elif kind is parser.RANGE and not value[0] <= ord(" ") <= value[1]:
            parts.append(rf"\x{{{value[0]:x}}}-\x{{{value[1]:x}}}")
        elif kind is parser.LITERAL and value != ord(" "):
            parts.append(rf"\x{{{value:x}}}")
        else:
            raise NotEmitted(f"{describe(vectorizer)} with {why} has no exact emitter")
    return f"[{''.join(parts)}]"
