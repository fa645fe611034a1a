"""Decode what a request asks, strictly: what passes is exactly what the model was trained on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET

from mldeploy_runtime.explain import MOST_ERRORS, explain, has_duplicate_keys, show
from mldeploy_runtime.problems import FieldError, malformed, too_many_rows
from mldeploy_runtime.request_types import checked_while_decoding, only_known_categories, request_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mldeploy_runtime.bundle import Manifest

Row = tuple[Any, ...]

STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
# What stands in a request beside its values takes fewer commas than so many more rows would.
SPARE_ROWS = 1000


class Asked(NamedTuple):
    """A decoded request: each row holds the values of the manifest's inputs in their order, None for missing.

    `threshold` is the decision threshold that the request brought, `warnings` name unseen categories that the model
    answers and that are to be told.
    """

    rows: list[Row]
    threshold: float | None
    warnings: tuple[FieldError, ...] = ()


@dataclass(frozen=True)
class Contract:
    """`decode` takes a body of /predict as `type`; it raises Problem for one that does not fit."""

    type: type[Any]
    decode: Callable[[bytes], Asked]


def build_contract(manifest: Manifest, max_rows: int) -> Contract:
    """Raises BundleError for a field name that cannot be a decoder's key."""
    request = request_type(manifest)
    decoder = msgspec.json.Decoder(request)
    width = len(manifest.inputs)
    most_commas = commas_for(max_rows, width)
    listed = [
        (index, frozenset(field.categories or ()))
        for index, field in enumerate(manifest.inputs)
        if only_known_categories(field) and not checked_while_decoding(field)
    ]
    told = [
        (index, field.name, frozenset([*(field.categories or ()), None]))
        for index, field in enumerate(manifest.inputs)
        if field.unknown == "warn"
    ]

    def decode(body: bytes) -> Asked:
        # Before a value becomes an object, which takes many times its bytes.
        if len(body) > most_commas and has_more_commas(body, most_commas):
            raise too_many_rows(max_rows)
        try:
            asked = decoder.decode(body)
        except msgspec.ValidationError as failure:
            raise explain(body, manifest, otherwise=str(failure)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
            raise malformed(body, failure) from None
        if (asked.instances is UNSET) == (asked.columns is UNSET):
            raise explain(body, manifest)
        threshold = getattr(asked, "threshold", UNSET)
        members = 1 if threshold is UNSET else 2
        rows: list[Row]
        if asked.columns is UNSET:
            if len(asked.instances) > max_rows:
                raise too_many_rows(max_rows)
            rows = [msgspec.structs.astuple(instance) for instance in asked.instances]
            members += len(rows) * width
        else:
            columns = msgspec.structs.astuple(asked.columns)
            if len({len(column) for column in columns}) > 1 or not columns[0]:
                raise explain(body, manifest)
            if len(columns[0]) > max_rows:
                raise too_many_rows(max_rows)
            rows = list(zip(*columns, strict=True))
            members += width
        # Every member takes one colon: no more colons than distinct members means that no key came twice.
        if body.count(b":") > members and has_duplicate_keys(body):
            raise explain(body, manifest)
        for index, categories in listed:
            if any(row[index] not in categories for row in rows if row[index] is not None):
                raise explain(body, manifest)
        warnings = tuple(islice(_unseen(rows, told), MOST_ERRORS)) if told else ()
        return Asked(rows, None if threshold is UNSET else threshold, warnings)

    return Contract(request, decode)


def commas_for(rows: int, width: int) -> int:
    """No request of so many rows of `width` values has more commas outside of its strings."""
    return (rows + SPARE_ROWS) * (width + 1)


def has_more_commas(text: bytes, most: int) -> bool:
    """Whether more than `most` commas are outside of the strings of a JSON text; of one that is none, either answer."""
    if text.count(b",") <= most:
        return False
    commas = end = 0
    for number, string in enumerate(STRING.finditer(text)):
        commas += text.count(b",", end, string.start())
        end = string.end()
        # Between two strings is a comma or a colon, and of colons in a row there are no more than nesting allows.
        if commas > most or number > 2 * most + SPARE_ROWS:
            return True
    return commas + text.count(b",", end) > most


def _unseen(rows: list[Row], told: list[tuple[int, str, frozenset[Any]]]) -> Iterator[FieldError]:
    for number, row in enumerate(rows):
        for index, name, known in told:
            if row[index] not in known:
                yield FieldError(show(row[index]), "a category seen in training", row=number, field=name)
