"""What can go wrong with a request, as values that know nothing of HTTP but the status that fits them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Kind(NamedTuple):
    """A kind of problem: the status that goes with it, its title, and what to do about it."""

    status: int
    title: str
    remedy: str


KINDS = {
    "malformed-json": Kind(
        422, "The body is not valid JSON", "Send one JSON object in UTF-8; NaN and Infinity are not JSON."
    ),
    "invalid-input": Kind(
        422, "The input does not fit the model", "Each entry of errors says what came, what was expected and where."
    ),
    "malformed-body": Kind(422, "The body is not what it is said to be", "Send what Content-Type and -Encoding say."),
    "unsupported-type": Kind(
        415, "The body's type is not supported", "Send Content-Type: application/json, or no Content-Type."
    ),
    "unsupported-encoding": Kind(
        415, "The body's encoding is not supported", "Send the body as gzip, as deflate or uncompressed."
    ),
    "too-large": Kind(413, "The request is too large", "Send fewer rows at once."),
    "malformed-request": Kind(400, "This is not HTTP", "Send an HTTP/1.1 request."),
    "head-too-large": Kind(431, "The request's head is too large", "Send fewer or shorter headers."),
    "too-slow": Kind(408, "The request took too long", "Send the whole body at once."),
    "unauthorized": Kind(
        401, "A key is needed", "Send a valid key as Authorization: Bearer <key>, or as X-API-Key: <key>."
    ),
    "forbidden": Kind(403, "The key is not for this", "Use a key that has the scope."),
    "rate-limited": Kind(429, "Too many requests", "Try again after the seconds in Retry-After."),
    "not-found": Kind(404, "Nothing is here", "/docs lists what there is."),
    "wrong-method": Kind(405, "The method is not allowed here", "The Allow header names what is."),
    "not-ready": Kind(503, "The model is not ready", "Try again after the seconds in Retry-After."),
    "overloaded": Kind(503, "The server is overloaded", "Try again after the seconds in Retry-After."),
    "circuit-open": Kind(
        503, "The model is left alone after repeated failures", "Try again after the seconds in Retry-After."
    ),
    "deadline": Kind(503, "The answer was not ready in time", "Try again with fewer rows."),
    "model-failed": Kind(
        500,
        "The model failed",
        "The input fits, yet the model gave no answer: tell the operator the request_id.",
    ),
    "internal-error": Kind(500, "The server failed", "Tell the operator the request_id."),
}


class FieldError(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing wrong with the input: what came, what was expected and where; `row` counts from 0."""

    got: str
    expected: str
    row: int | None = None
    field: str | None = None


class Problem(Exception):
    """A request that is refused or cannot be answered, for one of the reasons in KINDS."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers


def malformed(body: bytes, failure: Exception) -> Problem:
    """The body is no JSON text in UTF-8."""
    if not body.strip():
        detail = "The body is empty."
    elif isinstance(failure, UnicodeDecodeError):
        detail = "The body holds bytes that are not UTF-8."
    elif isinstance(failure, RecursionError):
        detail = "The body is nested too deeply."
    elif any(literal in body for literal in (b"NaN", b"Infinity")):
        detail = f"{failure}. NaN and Infinity are not JSON: send null for a missing value."
    else:
        detail = f"{failure}."
    return Problem("malformed-json", detail)


def too_many_rows(limit: int) -> Problem:
    return Problem("too-large", f"More rows came than the {limit:,} that are answered at once.")
