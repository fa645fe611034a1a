"""Which endpoint to load, and whether we may: only what is configured, or this machine, unless told."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mldeploy.errors import UsageError
from mldeploy.host.names import address_of, choose_host, is_named

if TYPE_CHECKING:
    from mldeploy.config import Config


def find_endpoint(config: Config, host: str | None, url: str | None) -> str:
    """The URL of `/predict`: at `url` if given, else at the host named `host`, else at the only host there is.

    Raises UsageError when that does not name one endpoint.
    """
    base = url or _url_of(choose_host(config, host), config)
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{base} is not a URL", remedy="Give one such as http://127.0.0.1:8000.")
    return base if parts.path.strip("/") else f"{base.rstrip('/')}/predict"


def check_may_load(url: str, config: Config, host: str | None = None, *, owned: bool) -> None:
    """Raise UsageError unless `url` is on this machine, or on a host that is written down, or `owned` by word.

    `host` is the alias that the person named; one of the SSH file is theirs as much as one of mldeploy.toml.
    """
    name = urlsplit(url).hostname or ""
    known = [*config.hosts, *([host] if host and is_named(host, config) else [])]
    if owned or _is_loopback(name) or name in {where for each in known for where in _names_of(each, config)}:
        return
    raise UsageError(
        f"{name} is neither this machine nor a host that is written down",
        cause="load on a machine that is not yours is an attack on it",
        remedy="Add it under [hosts] in mldeploy.toml, or say --i-own-this-host.",
    )


def _url_of(name: str, config: Config) -> str:
    host = config.hosts.get(name)
    return (host and host.url) or f"http://{address_of(name, config)}"


def _names_of(host: str, config: Config) -> set[str]:
    """The names and addresses by which a host may stand in a URL."""
    return {name for name in (urlsplit(_url_of(host, config)).hostname, address_of(host, config)) if name}


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
