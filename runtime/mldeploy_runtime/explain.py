"""Say everything that is wrong with a body that the decoder refused: row by row, field by field.

The decoder stops at the first mistake and is fast; this walks the whole body and need not be.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from mldeploy_runtime.problems import FieldError, Problem, malformed
from mldeploy_runtime.request_types import integer_limit, only_known_categories

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mldeploy_runtime.bundle import Input, Manifest, Scalar

MOST_ERRORS = 100
# As objects, JSON of any shape takes up to thirty times its bytes.
MOST_EXPLAINED_BYTES = 4 * 1024 * 1024
MOST_CHARACTERS = 80
MOST_CATEGORIES = 20
GREATEST = sys.float_info.max

Check = Callable[[Any], str]

# Takes any JSON; a number beyond a double becomes infinite, to be pointed at.
_ANY = msgspec.json.Decoder(float_hook=float)


def explain(body: bytes, manifest: Manifest, otherwise: str = "The input is not what the model takes.") -> Problem:
    """The problem that lists the first mistakes of `body`, or says `otherwise` where none can be pointed at."""
    if len(body) > MOST_EXPLAINED_BYTES:
        return Problem("invalid-input", otherwise)
    try:
        raw = _ANY.decode(body)
    except msgspec.ValidationError as failure:  # an integer of thousands of digits
        return Problem("invalid-input", f"{failure}.")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
        return malformed(body, failure)
    errors = _first(_mistakes(raw, manifest)) or _first(_keys_that_came_twice(body))
    if not errors:
        return Problem("invalid-input", otherwise)
    if len(errors) > MOST_ERRORS:
        detail = f"More than {MOST_ERRORS} things in the input did not fit; these are the first."
    else:
        detail = f"{len(errors)} thing{'s' if len(errors) > 1 else ''} in the input did not fit."
    return Problem("invalid-input", detail, errors=errors[:MOST_ERRORS])


def _first(mistakes: Iterator[FieldError]) -> tuple[FieldError, ...]:
    """One more than are listed, to know whether there are more."""
    return tuple(islice(mistakes, MOST_ERRORS + 1))


class _Members(dict[str, Any]):
    """A JSON object that knows which of its keys came more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(key for key, _ in pairs) if len(self) < len(pairs) else {}
        self.twice = [key for key, times in counts.items() if times > 1]


def has_duplicate_keys(body: bytes) -> bool:
    """Whether a body that has no other mistake has a key twice."""
    return any(_keys_that_came_twice(body))


def _keys_that_came_twice(body: bytes) -> Iterator[FieldError]:
    """The keys that are twice in one object of a body that has no other mistake."""
    raw: _Members = json.loads(body.decode(), object_pairs_hook=_Members)
    objects = [(None, raw), (None, raw.get("columns")), *enumerate(raw.get("instances", ()))]
    for row, members in objects:
        for key in members.twice if members is not None else ():
            yield FieldError("the key twice", "each key once", row=row, field=key)


def _mistakes(raw: Any, manifest: Manifest) -> Iterator[FieldError]:
    if not isinstance(raw, dict):
        yield FieldError(show(raw), 'an object, such as {"instances": [...]}')
        return
    known = {"instances", "columns"} | ({"threshold"} if manifest.takes_threshold else set())
    for key in raw.keys() - known:
        expected = "no threshold: this model has none to set" if key == "threshold" else _one_of(sorted(known))
        yield FieldError(f"the key {show(key)}", expected, field=key)
    if "threshold" in raw and "threshold" in known and not _is_probability(raw["threshold"]):
        yield FieldError(show(raw["threshold"]), "a number from 0 to 1", field="threshold")
    if ("instances" in raw) == ("columns" in raw):
        yield FieldError("both" if "instances" in raw else "neither", "either instances or columns")
        return
    checks = {field.name: _check_of(field, manifest) for field in manifest.inputs}
    if "instances" in raw:
        yield from _mistakes_in_instances(raw["instances"], checks)
    else:
        yield from _mistakes_in_columns(raw["columns"], checks)


def _mistakes_in_instances(instances: Any, checks: dict[str, Check]) -> Iterator[FieldError]:
    if not isinstance(instances, list) or not instances:
        yield FieldError(show(instances), "a list of at least one object", field="instances")
        return
    for row, instance in enumerate(instances):
        if not isinstance(instance, dict):
            yield FieldError(show(instance), "an object with the model's fields", row=row)
            continue
        yield from _mistakes_in_keys(instance, checks, row)
        for name, check in checks.items():
            if name in instance and (expected := check(instance[name])):
                yield FieldError(show(instance[name]), expected, row=row, field=name)


def _mistakes_in_columns(columns: Any, checks: dict[str, Check]) -> Iterator[FieldError]:
    if not isinstance(columns, dict):
        yield FieldError(show(columns), "an object with one list a field", field="columns")
        return
    yield from _mistakes_in_keys(columns, checks, None)
    lengths = Counter(len(column) for column in columns.values() if isinstance(column, list))
    length = max(lengths, key=lambda length: lengths[length], default=0)
    for name, check in checks.items():
        column = columns.get(name, [])
        if not isinstance(column, list):
            yield FieldError(show(column), "a list", field=name)
            continue
        if name in columns and (len(column) != length or not column):
            expected = f"{length:,} as in the other columns" if length else "at least one"
            yield FieldError(f"{len(column):,} values", expected, field=name)
        for row, value in enumerate(column):
            if expected := check(value):
                yield FieldError(show(value), expected, row=row, field=name)


def _mistakes_in_keys(members: dict[str, Any], checks: dict[str, Check], row: int | None) -> Iterator[FieldError]:
    for name in checks:
        if name not in members:
            yield FieldError("no such key", "every field of the model", row=row, field=name)
    for name in members:
        if name not in checks:
            yield FieldError("an unknown key", "the model's fields alone", row=row, field=name)


def _check_of(field: Input, manifest: Manifest) -> Check:
    """A function that says what was expected in place of a value, or "" if it fits."""
    limit = integer_limit(manifest, field)
    fits: Callable[[Any], bool] = {
        "float": lambda value: type(value) in (int, float) and abs(value) <= GREATEST,
        "int": lambda value: type(value) is int and abs(value) <= limit,
        "bool": lambda value: type(value) is bool,
        "string": lambda value: type(value) is str,
    }[field.dtype]
    expected = {
        "float": "a number",
        "int": f"an integer from -{limit} to {limit}",
        "bool": "true or false",
        "string": "a string",
    }[field.dtype]
    categories = frozenset(field.categories or ()) if only_known_categories(field) else None
    if categories is not None:
        expected = _one_of(field.categories or ())
    if field.nullable:
        expected += ", or null"

    def check(value: Any) -> str:
        if value is None:
            return "" if field.nullable else expected
        return "" if fits(value) and (categories is None or value in categories) else expected

    return check


def _is_probability(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _one_of(values: Iterable[Scalar]) -> str:
    shown = [show(value) for value in values]
    rest = f" and {len(shown) - MOST_CATEGORIES:,} more" if len(shown) > MOST_CATEGORIES else ""
    return f"one of {', '.join(shown[:MOST_CATEGORIES])}{rest}"


def show(value: Any) -> str:
    """A JSON value as people recognise it, cut short."""
    if isinstance(value, list | dict):
        return f"a list of {len(value):,}" if isinstance(value, list) else "an object"
    if isinstance(value, int | float) and abs(value) > GREATEST:
        return "a number beyond the range of a double"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
