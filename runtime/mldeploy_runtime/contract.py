"""Decode what a request asks, strictly: what passes is exactly what the model was trained on."""

from __future__ import annotations

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
            rows = [msgspec.structs.astuple(instance) for instance in asked.instances]
            members += len(rows) * width
        else:
            columns = msgspec.structs.astuple(asked.columns)
            if len({len(column) for column in columns}) > 1 or not columns[0]:
                raise explain(body, manifest)
            rows = list(zip(*columns, strict=True))
            members += width
        if len(rows) > max_rows:
            raise too_many_rows(max_rows)
        # Every member takes one colon: no more colons than distinct members means that no key came twice.
        if body.count(b":") > members and has_duplicate_keys(body):
            raise explain(body, manifest)
        for index, categories in listed:
            if any(row[index] not in categories for row in rows if row[index] is not None):
                raise explain(body, manifest)
        warnings = tuple(islice(_unseen(rows, told), MOST_ERRORS)) if told else ()
        return Asked(rows, None if threshold is UNSET else threshold, warnings)

    return Contract(request, decode)


def _unseen(rows: list[Row], told: list[tuple[int, str, frozenset[Any]]]) -> Iterator[FieldError]:
    for number, row in enumerate(rows):
        for index, name, known in told:
            if row[index] not in known:
                yield FieldError(show(row[index]), "a category seen in training", row=number, field=name)
