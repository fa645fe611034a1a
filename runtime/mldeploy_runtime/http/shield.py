"""Who may ask, and how often: keys and rates, checked before a request's body is read, unless it is small and there."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from mldeploy_runtime.keys import KeyFile, Keys
from mldeploy_runtime.problems import Problem

if TYPE_CHECKING:
    from mldeploy_runtime.http.messages import Request
    from mldeploy_runtime.keys import Signer
    from mldeploy_runtime.logs import Log
    from mldeploy_runtime.settings import Settings
    from mldeploy_runtime.shared import RateLimiter

# The addresses of one IPv6 customer have at least so many bits in common.
IPV6_CUSTOMER = 64
BEARER = b"bearer "
CHALLENGE = b'Bearer realm="mldeploy"'


class Quota(NamedTuple):
    """An address or a key, which is `of`, may send `rate` requests a second, and `burst` at once. `policy` and `state`
    say so in an answer's head; `state` takes the requests that remain and the seconds until all do."""

    of: str
    rate: float
    burst: int
    policy: bytes
    state: bytes


class Shield:
    """`is_up` says whether there is anything to check."""

    def __init__(self, settings: Settings, signer: Signer, limiter: RateLimiter, log: Log) -> None:
        """Raises SettingsError when a file of the settings cannot be used."""
        find_token = None
        if settings.takes_tokens:
            # PyJWT takes a fifth of a second to import.
            from mldeploy_runtime.tokens import token_finder

            find_token = token_finder(settings.jwt)
        self.is_up = settings.needs_key or settings.rate_per_address is not None
        self._needs_key = settings.needs_key
        self._keys = Keys(KeyFile(settings.keys, log) if settings.keys else None, signer, find_token)
        self._limiter = limiter
        self._rate_per_key = settings.rate_per_key
        self._per_address = quota_of("address", settings.rate_per_address) if settings.rate_per_address else None
        self._proxy = settings.proxy

    def check(self, request: Request, scope: str | None) -> None:
        """Let `request` pass if its key is for `scope`, where there is one, and neither key nor address asks too often.

        Notes in it the key's name, and what the answer's head says of rates. Raises Problem: `unauthorized`,
        `forbidden` or `rate-limited`.
        """
        key = _key_of(request) if self._needs_key else None
        caller = self._keys.find(key) if key else None
        if self._per_address is not None and not (caller and caller.exempt):
            self._take(request, self.address(request), self._per_address)
        if not self._needs_key:
            return
        if caller is None:
            raise _unauthorized(key)
        request.key = caller.name
        if scope is not None and scope not in caller.scopes:
            challenge = CHALLENGE + b', error="insufficient_scope", scope="%b"' % scope.encode()
            detail = f"The key {caller.name!r} has not the scope {scope!r}."
            raise Problem("forbidden", detail, headers=((b"www-authenticate", challenge),))
        rate = caller.rate or self._rate_per_key
        if rate and not caller.exempt:
            self._take(request, caller.identity, quota_of("key", rate))

    def address(self, request: Request) -> str:
        """The client's address; of an IPv6 one, its customer's network. The proxy's word on it alone is believed, and
        of that the last entry, which the proxy itself wrote."""
        address = request.peer
        if address == self._proxy:
            named = request.headers.get(b"x-forwarded-for", b"").rpartition(b",")[2]
            address = named.decode("latin-1").strip() or address
        return _customer(address) if ":" in address else address

    def _take(self, request: Request, who: str, quota: Quota) -> None:
        allowed, remaining, wait, reset = self._limiter.take(who, quota.rate, quota.burst)
        request.notes += (
            (b"ratelimit-policy", quota.policy),
            (b"ratelimit", quota.state % (remaining, ceil(reset))),
        )
        if not allowed:
            detail = f"More than {quota.rate:g} requests a second came from this {quota.of}."
            raise Problem("rate-limited", detail, headers=((b"retry-after", b"%d" % max(1, ceil(wait))),))


@lru_cache
def quota_of(what: str, rate: float) -> Quota:
    """What an address or a key may send under a rate: at once the requests of a second, or one where that is less."""
    window = max(1, ceil(1 / rate))
    burst = max(1, int(rate * window))
    # draft-ietf-httpapi-ratelimit-headers-10
    name = what.encode()
    return Quota(what, rate, burst, b'"%b";q=%d;w=%d' % (name, burst, window), b'"%b";r=%%d;t=%%d' % name)


def _key_of(request: Request) -> bytes | None:
    """The key that came, as X-API-Key or as a bearer of Authorization."""
    key = request.headers.get(b"x-api-key")
    if key is None:
        given = request.headers.get(b"authorization", b"")
        key = given[len(BEARER) :].strip() if given[: len(BEARER)].lower() == BEARER else None
    return key


def _unauthorized(key: bytes | None) -> Problem:
    if key is None:
        return Problem("unauthorized", "No key came.", headers=((b"www-authenticate", CHALLENGE),))
    challenge = CHALLENGE + b', error="invalid_token"'
    detail = "The key is not valid: unknown, revoked or expired."
    return Problem("unauthorized", detail, headers=((b"www-authenticate", challenge),))


@lru_cache(4096)
def _customer(address: str) -> str:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, IPV6_CUSTOMER), strict=False))
