"""The types that /predict takes and answers: JSON, and for batches CSV and Arrow."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from mldeploy_runtime.http import arrow_format, csv_format
from mldeploy_runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mldeploy_runtime.bundle import Manifest

    Table = dict[str, list[Any]]

# What stands in a column's name for one of several.
ONE_OF = {"labels": "label", "probabilities": "probability", "values": "value"}


class Format(NamedTuple):
    """A format of tables: `read` makes one, of so many rows at most, from a body, `write` a body from one. A table has
    one list a column, in which None is missing. Both raise Problem."""

    media: str
    read: Callable[[bytes, Manifest, int], Table]
    write: Callable[[Table], bytes]


JSON = "application/json"
TABLES = {
    csv_format.MEDIA: Format(csv_format.MEDIA, csv_format.read, csv_format.write),
    arrow_format.MEDIA: Format(arrow_format.MEDIA, arrow_format.read, arrow_format.write),
}
TAKEN = (JSON, *TABLES)


@lru_cache(256)
def formats_of(content_type: bytes | None, accept: bytes | None) -> tuple[Format | None, Format | None]:
    """The format of a request and the one to answer in: None is JSON, which a request brings that does not say.

    The answer has the format that `accept` likes best of those that there are; if it names none, the request's.
    Raises Problem `unsupported-type`.
    """
    media = JSON if content_type is None else _media(content_type)
    likes = [media for media in _by_liking(accept or b"") if media in TAKEN]
    return TABLES.get(media), TABLES.get(likes[0] if likes else media)


@lru_cache(256)
def is_json(content_type: bytes | None, accept: bytes | None) -> bool:
    """Whether a request is JSON, to be answered in JSON."""
    try:
        return formats_of(content_type, accept) == (None, None)
    except Problem:
        return False


def question(body: bytes, format: Format, manifest: Manifest, max_rows: int) -> bytes:
    """The JSON body of /predict that asks what `body` does. Raises Problem."""
    return msgspec.json.encode({"columns": format.read(body, manifest, max_rows)})


def table_of(predictions: Sequence[Any], format: Format) -> bytes:
    """The body that answers `predictions`: a member of members is a column for each, such as `probability:yes`."""
    rows = [dict(_flat(row)) for row in msgspec.to_builtins(predictions)]
    names = dict.fromkeys(name for row in rows for name in row)
    return format.write({name: [row.get(name) for row in rows] for name in names})


def _flat(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if name == "probability" and "probabilities" in row:
            continue  # that of the label, which the label's own column holds too
        if isinstance(value, dict):
            for member, inner in _flat(value):
                yield f"{ONE_OF.get(name, name)}:{member}", inner
        else:
            yield name, None if isinstance(value, float) and not math.isfinite(value) else value


def _media(content_type: bytes) -> str:
    """The media type of a Content-Type that we take, in UTF-8."""
    text = content_type.decode("latin-1")
    media, _, parameters = text.lower().partition(";")
    charset = parameters.replace('"', "").partition("charset=")[2].strip() or "utf-8"
    if media.strip() not in TAKEN or charset not in ("utf-8", "utf8"):
        accept = ", ".join(TAKEN)
        detail = f"Send {accept.replace(', ', ' or ')}, text in UTF-8, not {text}."
        raise Problem("unsupported-type", detail, headers=((b"accept", accept.encode()),))
    return media.strip()


def _by_liking(accept: bytes) -> list[str]:
    """The media types of an Accept, the most liked first (RFC 9110, section 12.5.1)."""
    likings = []
    for entry in accept.decode("latin-1").lower().split(","):
        media, *parameters = (part.strip() for part in entry.split(";"))
        weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        likings.append((_weight(weight), media))
    return [media for weight, media in sorted(likings, key=lambda liking: -liking[0]) if weight > 0]


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
