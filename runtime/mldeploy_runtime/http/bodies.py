"""A request's body: read within its limits of size and time, and unpacked."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

from mldeploy_runtime.batching import RETRY_SOON
from mldeploy_runtime.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mldeploy_runtime.http.messages import Message, Receive, Request
    from mldeploy_runtime.settings import Settings

# What is being received at once is no more than so many of the largest bodies.
MOST_BODIES = 4
# Of a number that the parser of HTTP takes, of 64 bits; before them are zeros, of which Python reads only so many.
MOST_DIGITS = 20
CLOSE = ((b"connection", b"close"),)
ACCEPT_ENCODING = ((b"accept-encoding", b"gzip, deflate"),)
GZIP, ZLIB, RAW_DEFLATE = 31, 15, -15


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


def body_reader(settings: Settings) -> Callable[[Request, Receive], Awaitable[bytes]]:
    """A function that reads a request's whole body and unpacks it. It raises Problem, and ClientGoneError."""
    limit = settings.max_body
    most_coming = MOST_BODIES * limit
    coming = 0

    async def read(request: Request, receive: Receive) -> bytes:
        if int(request.headers.get(b"content-length", b"0")[-MOST_DIGITS:]) > limit:
            raise _too_large(limit)
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message["body"]
            if len(body) > limit:
                raise _too_large(limit)
        else:
            body = await read_parts(message, receive)
        encoding = request.headers.get(b"content-encoding")
        return body if encoding is None else _unpack(body, encoding.strip().lower(), limit)

    async def read_parts(message: Message, receive: Receive) -> bytes:
        nonlocal coming
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(settings.receive_seconds):
                while True:
                    if message["type"] == "http.disconnect":
                        raise ClientGoneError
                    part = message.get("body", b"")
                    parts.append(part)
                    size += len(part)
                    coming += len(part)
                    if size > limit:
                        raise _too_large(limit)
                    if coming > most_coming:
                        detail = "More is being received than there is memory for."
                        raise Problem("overloaded", detail, headers=CLOSE + RETRY_SOON)
                    if not message.get("more_body"):
                        return b"".join(parts)
                    message = await receive()
        except TimeoutError:
            detail = f"The body was not complete within {settings.receive_seconds:g} s."
            raise Problem("too-slow", detail, headers=CLOSE) from None
        finally:
            coming -= size

    return read


def _unpack(body: bytes, encoding: bytes, limit: int) -> bytes:
    """What was compressed: one gzip member, or deflate with zlib's wrapping or, as some clients send it, without."""
    match encoding:
        case b"identity" | b"":
            return body
        case b"gzip" | b"x-gzip":
            form = GZIP
        case b"deflate":
            form = ZLIB if _is_zlib(body) else RAW_DEFLATE
        case _:
            detail = f"Send the body as gzip, as deflate or uncompressed, not as {encoding.decode('latin-1')}."
            raise Problem("unsupported-encoding", detail, headers=ACCEPT_ENCODING)
    inflater = zlib.decompressobj(form)
    try:
        # One byte more than is allowed tells a bomb, and is all that it gets to write.
        unpacked = inflater.decompress(body, limit + 1)
    except zlib.error as failure:
        raise Problem("malformed-body", f"The body is no {encoding.decode()}: {failure}.") from None
    if len(unpacked) > limit:
        raise _too_large(limit)
    if not inflater.eof:
        raise Problem("malformed-body", f"The body ends before its {encoding.decode()} does.")
    if inflater.unused_data:
        raise Problem("malformed-body", f"More follows the end of the body's {encoding.decode()}.")
    return unpacked


def _is_zlib(body: bytes) -> bool:
    """Whether it begins as RFC 1950, section 2.2, says."""
    return len(body) >= 2 and body[0] & 15 == zlib.DEFLATED and int.from_bytes(body[:2], "big") % 31 == 0


def _too_large(limit: int) -> Problem:
    return Problem("too-large", f"The body is larger than {limit:,} bytes.", headers=CLOSE)
