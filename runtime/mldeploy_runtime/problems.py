"""What can go wrong with a request, as values that know nothing of HTTP but the status that fits them."""

from __future__ import annotations

import msgspec


class FieldError(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing wrong with the input: what came, what was expected and where; `row` counts from 0."""

    got: str
    expected: str
    row: int | None = None
    field: str | None = None


class Problem(Exception):
    """A request that is refused or cannot be answered; `kind` ends the problem's type of RFC 9457."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        errors: tuple[FieldError, ...] = (),
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.title = title
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
    return Problem(422, "malformed-json", "The body is not valid JSON", detail)


def invalid_input(detail: str, errors: tuple[FieldError, ...] = ()) -> Problem:
    return Problem(422, "invalid-input", "The input does not fit the model", detail, errors=errors)


def too_large(detail: str) -> Problem:
    return Problem(413, "too-large", "The request is too large", detail)


def not_ready(reason: str) -> Problem:
    return Problem(503, "not-ready", "The model is not ready", reason, headers=((b"retry-after", b"1"),))


def model_failed() -> Problem:
    return Problem(500, "model-failed", "The model failed", "The model could not answer this request.")
