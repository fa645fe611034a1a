"""Cross-origin requests, for browsers: only the configured origins may ask (Fetch standard, CORS protocol)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy_runtime.http.messages import Reply

if TYPE_CHECKING:
    from mldeploy_runtime.http.messages import Headers, Request
    from mldeploy_runtime.http.route import Route

ANY = "*"
ALLOWED_HEADERS = (
    b"authorization, content-encoding, content-type, inference-header-content-length, x-api-key, x-request-id"
)
EXPOSED_HEADERS = b"inference-header-content-length, ratelimit, ratelimit-policy, retry-after, x-request-id"
PREFLIGHT_SECONDS = b"600"
PLAIN = b"text/plain; charset=utf-8"
VARY: Headers = ((b"vary", b"origin"),)


def allowing(request: Request, origins: frozenset[str]) -> Headers:
    """The head's lines that let a page of an allowed origin read the answer. `origins` may hold `*`: any."""
    origin = request.headers.get(b"origin")
    if origin is None or not (ANY in origins or origin.decode("latin-1") in origins):
        return VARY
    return (
        *VARY,
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", EXPOSED_HEADERS),
    )


def is_preflight(request: Request, method: str) -> bool:
    """Whether a browser asks, before the request itself, if it may send it. It sends no key with that."""
    return method == "OPTIONS" and b"access-control-request-method" in request.headers


def preflight(route: Route) -> Reply:
    allowed: Headers = (
        (b"access-control-allow-methods", route.method.encode()),
        (b"access-control-allow-headers", ALLOWED_HEADERS),
        (b"access-control-max-age", PREFLIGHT_SECONDS),
    )
    return Reply(200, b"", PLAIN, allowed)
