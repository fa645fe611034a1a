"""Requests and replies as the routes see them."""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from mldeploy_runtime.problems import KINDS, FieldError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, MutableMapping

    from mldeploy_runtime.problems import Problem
    from mldeploy_runtime.service import Predicted

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    Application = Callable[[Message, Receive, Send], Awaitable[None]]

Line = tuple[bytes, bytes]
Headers = tuple[Line, ...]

PREDICT = "/predict"
V2 = "/v2"

JSON = b"application/json"
PROBLEM = b"application/problem+json"

_START = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_USABLE_ID = re.compile(rb"[!-~]{1,128}")
_PROCESS = os.urandom(8).hex()
_NUMBERS = itertools.count(1)


@dataclass(slots=True)
class Request:
    """One request; `headers` are lower case, `body` is empty for a route that takes none. `peer` is the address that
    it came from.

    Noted on the way: `key`, the name of the caller's; `rows`, how many were answered; and `notes`, lines that the
    answer's head has, whatever the answer.
    """

    id: str
    headers: dict[bytes, bytes]
    peer: str = ""
    body: bytes = b""
    key: str = ""
    rows: int = 0
    notes: Headers = ()


@dataclass(slots=True)
class Reply:
    status: int
    body: bytes
    content_type: bytes = JSON
    headers: Headers = ()


class ProblemDocument(msgspec.Struct, omit_defaults=True):
    """RFC 9457. `type` leads to the problem's description on the server's own /docs."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldError] = []


def request_id(given: bytes | None) -> str:
    """The client's own id where it is printable and short, else a new one."""
    if given is not None and _USABLE_ID.fullmatch(given):
        return given.decode()
    return f"{_PROCESS}-{next(_NUMBERS):x}"


def head_of(reply: Reply, request: Request) -> list[tuple[bytes, bytes]]:
    """The lines of the answer's head."""
    return [
        (b"content-type", reply.content_type),
        (b"content-length", b"%d" % len(reply.body)),
        (b"x-request-id", request.id.encode()),
        *reply.headers,
        *request.notes,
    ]


def whole_answer(reply: Reply, request: Request, defaults: Iterable[Line] = (), *, keep_alive: bool) -> bytes:
    """The answer as it is written to the connection; `defaults` are the head's first lines."""
    lines = [_START[reply.status], *[b"%b: %b\r\n" % line for line in (*defaults, *head_of(reply, request))]]
    if not keep_alive and (b"connection", b"close") not in reply.headers:
        lines.append(b"connection: close\r\n")
    lines += (b"\r\n", reply.body)
    return b"".join(lines)


def json_reply(value: Any, status: int = 200) -> Reply:
    return Reply(status, msgspec.json.encode(value))


def notes(answer: Predicted) -> Headers:
    """What /predict says beside its predictions in JSON, as headers for the forms that have no place for it."""
    headers: Headers = ()
    if answer.warnings:
        headers += ((b"x-unseen-categories", b"%d" % len(answer.warnings)),)
    if answer.fallback:
        headers += ((b"x-fallback", b"true"),)
    return headers


def problem_reply(problem: Problem, identity: str, path: str) -> Reply:
    """RFC 9457; but under /v2 the Open Inference Protocol's form: one text, here with the first few mistakes."""
    kind = KINDS[problem.kind]
    if path.startswith(V2):
        mistakes = (
            f" {error.field or 'request'}, row {error.row or 0}: got {error.got}, expected {error.expected}."
            for error in problem.errors[:5]
        )
        body = msgspec.json.encode({"error": problem.detail + "".join(mistakes)})
        return Reply(kind.status, body, JSON, problem.headers)
    document = ProblemDocument(
        f"/docs#{problem.kind}", kind.title, kind.status, problem.detail, identity, list(problem.errors)
    )
    return Reply(kind.status, msgspec.json.encode(document), PROBLEM, problem.headers)
