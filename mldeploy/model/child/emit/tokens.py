"""Text cut into tokens: int64 [rows, tokens], the place of each in a vocabulary, with negative numbers for the others.

Words come from onnxruntime's own tokenizer, whose classes of letters are Unicode's as Python's are. Characters are
looked up one by one, which lets their table lowercase them and take off accents.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Callable

import numpy as np
from onnx import TensorProto

from .graph import CONTRIB, ML
from .registry import NotEmitted, describe, require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

DOTTED_I, DOT_ABOVE = "\u0130", "\u0307"
SIGMA, FINAL_SIGMA = "\u03a3", "\u03c2"
UNASSIGNED = "\U000e0fff"
LETTERS = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
SPACES = "".join(letter for letter in LETTERS if letter.isspace())
WORD = r"[\pL\pN_]"
NOT_SPACE = "[^" + "".join(rf"\x{{{ord(space):x}}}" for space in SPACES) + "]"


def word_tokens(graph: Graph, vectorizer: Any, column: Column, words: Sequence[str]) -> str:
    """The place in `words` of each word of the text, without stop words."""
    letter, least = _pattern(vectorizer)
    text = graph.add("Gather", column.tensor, np.int64(column.position), axis=1)
    if vectorizer.lowercase:
        text = _lower(graph, text, letter)
    found = graph.add(
        "Tokenizer",
        text,
        domain=CONTRIB,
        mark=0,
        mincharnum=1,
        pad_value="",
        tokenexp=f"{letter}{{{least},}}",
    )
    places = {word: place for place, word in enumerate(words)}
    places.update(dict.fromkeys(vectorizer.get_stop_words() or (), DROPPED))
    if vectorizer.lowercase:
        places = {**{_as_lowered(word): place for word, place in places.items()}, **places}
    tokens = graph.add("Reshape", _look_up(graph, found, {**places, "": DROPPED}, UNKNOWN), np.array([0, -1]))
    return _compacted(graph, tokens)


def char_tokens(graph: Graph, vectorizer: Any, column: Column, letters: Sequence[str]) -> tuple[str, list[str]]:
    """The place of each character in the alphabet, which is given too: spaces, then `letters`.

    A run of spaces counts as one. With analyzer="char_wb" each word stands between two spaces, apart from the next.
    """
    alphabet = list(dict.fromkeys([*SPACES, *letters]))
    tokens = _letters(graph, vectorizer, column, alphabet)
    before, after = _shifted(graph, tokens, 1), _shifted(graph, tokens, -1)
    space = alphabet.index(" ")
    if vectorizer.analyzer == "char":
        is_space, again, more = (_is_space(graph, each) for each in (tokens, before, after))
        joined = graph.add("Where", graph.add("And", is_space, more), space, tokens)
        repeated = graph.add("And", is_space, again)
        return _compacted(graph, graph.add("Where", repeated, DROPPED, joined)), alphabet
    in_word, word_before, word_after = (graph.add("Not", _is_gap(graph, each)) for each in (tokens, before, after))
    starts = graph.add("And", in_word, graph.add("Not", word_before))
    ends = graph.add("And", in_word, graph.add("Not", word_after))
    parts: list[tuple[str, str | int]] = [(starts, space), (in_word, tokens), (ends, space), (ends, UNKNOWN)]
    slots = [graph.add("Where", here, there, DROPPED) for here, there in parts]
    side_by_side = graph.add("Concat", *(graph.add("Unsqueeze", slot, np.array([2])) for slot in slots), axis=2)
    return _compacted(graph, graph.add("Reshape", side_by_side, np.array([0, -1]))), alphabet


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


def _lower(graph: Graph, text: str, letter: str) -> str:
    """As Python lowercases: strings [rows, parts].

    Only for U+0130 the operator answers otherwise: Python makes it an i and a dot above, which ends a word. So the
    text is parted there.
    """
    if letter != NOT_SPACE:
        # One character at least, for what is empty has no parts.
        text, count = graph.add_many(
            "StringSplit", graph.add("StringConcat", text, graph.constant(" ")), count=2, delimiter=DOTTED_I
        )
        parts = graph.add("Gather", graph.add("Shape", text), np.array(1), axis=0)
        place = graph.add("Range", np.int64(1), graph.add("Add", parts, 1), np.int64(1))
        parted = graph.add("Less", place, graph.add("Unsqueeze", count, np.array([1])))
        text = graph.add("StringConcat", text, graph.add("Where", parted, graph.constant("i"), graph.constant("")))
    shape = graph.add("Shape", text)
    flat = graph.add("Reshape", text, np.array([1, -1]))
    lowered = graph.add("StringNormalizer", flat, case_change_action="LOWER", is_case_sensitive=1, locale="C.UTF-8")
    return graph.add("Reshape", lowered, shape)


def _as_lowered(word: str) -> str:
    """How the operator spells a word that Python has lowercased: with no final sigma, and no dot on the i."""
    return word.replace(f"i{DOT_ABOVE}", "i").replace(FINAL_SIGMA, SIGMA.lower())


def _letters(graph: Graph, vectorizer: Any, column: Column, alphabet: Sequence[str]) -> str:
    """Each character, lowercased and without its accent, as its place; one may become several, or none."""
    places = {letter: place for place, letter in enumerate(alphabet)}
    change: Callable[[str], str] = vectorizer.build_preprocessor()
    rows: dict[tuple[int, ...], int] = {}
    default = rows.setdefault(tuple(UNKNOWN for _ in change(UNASSIGNED)), 0)
    known = {"": rows.setdefault((), len(rows))}
    for letter in LETTERS:
        image = tuple(places.get(changed, UNKNOWN) for changed in change(letter))
        row = rows.setdefault(image, len(rows))
        if row != default:
            known[letter] = row
    width = max(map(len, rows))
    table = np.array([[*row, *[DROPPED] * (width - len(row))] for row in rows], dtype=np.int64)
    text = graph.add("Gather", column.tensor, np.int64(column.position), axis=1)
    found = graph.add("Tokenizer", text, domain=CONTRIB, mark=0, mincharnum=1, pad_value="", separators=[""])
    chosen = _look_up(graph, found, known, default)
    final = known.get(FINAL_SIGMA, default)
    if vectorizer.lowercase and final != known.get(SIGMA, default):
        chosen = graph.add("Where", _ends_in_sigma(graph, found), final, chosen)
    slots = graph.add("Gather", table, chosen, axis=0)
    return _compacted(graph, graph.add("Reshape", slots, np.array([0, -1])))


def _ends_in_sigma(graph: Graph, letters: str) -> str:
    """Where a capital sigma ends a word: between a letter with case and what has none. There it becomes a final one."""
    cased = {letter: 1 for letter in LETTERS if letter.isupper() or letter.islower() or letter.istitle()}
    has_case = _look_up(graph, letters, cased, 0)
    before, after = (graph.add("Equal", _shifted(graph, has_case, by), np.int64(1)) for by in (1, -1))
    is_sigma = graph.add("Equal", letters, graph.constant(SIGMA))
    return graph.add("And", graph.add("And", is_sigma, before), graph.add("Not", after))


def _look_up(graph: Graph, tokens: str, places: Mapping[str, int], default: int) -> str:
    return graph.add(
        "LabelEncoder",
        tokens,
        domain=ML,
        keys_strings=list(places),
        values_int64s=list(places.values()),
        default_int64=default,
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
    """The tokens one place on: what comes before each (by 1) or behind it (by -1)."""
    pads = [0, 1, 0, -1] if by > 0 else [0, -1, 0, 1]
    return graph.add("Pad", tokens, np.array(pads), np.int64(END))


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
