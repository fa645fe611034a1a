"""Which endpoint to load, and whether we may: only what is configured, or this machine, unless told."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from mldeploy.errors import UsageError
from mldeploy.host.names import address_of, public_address

if TYPE_CHECKING:
    from mldeploy.config import Config


def find_endpoint(url: str) -> str:
    """The URL of `/predict`: `url` itself where it has a path.

    Raises UsageError when it is no URL.
    """
    try:
        parts = httpx.URL(url)
        usable = parts.scheme in ("http", "https") and bool(parts.host) and urlsplit(url).port != 0
    except (httpx.InvalidURL, ValueError):
        usable = False
    if not usable:
        raise UsageError(f"{url} is not a URL", remedy="Give one such as http://127.0.0.1:8000.")
    return url if parts.path.strip("/") else f"{url.rstrip('/')}/predict"


def check_may_load(url: str, config: Config, *, owned: bool) -> None:
    """Raise UsageError unless `url` is on this machine, or on a host of mldeploy.toml, or `owned` by word."""
    name = urlsplit(url).hostname or ""
    if owned or _is_loopback(name) or name in {where for host in config.hosts for where in names_of(host, config)}:
        return
    raise UsageError(
        f"{name} is neither this machine nor a host that is written down",
        cause="load on a machine that is not yours is an attack on it",
        remedy="Add it under [hosts] in mldeploy.toml, or say --i-own-this-host.",
    )


def names_of(host: str, config: Config) -> set[str]:
    """The names and addresses by which a host may stand in a URL."""
    return {public_address(host, config), address_of(host, config)}


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
