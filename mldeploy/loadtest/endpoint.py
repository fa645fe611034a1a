"""Which endpoint to load, and whether we may: only what is configured, or this machine, unless told."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mldeploy.errors import UsageError

if TYPE_CHECKING:
    from mldeploy.config import Config, HostConfig


def find_endpoint(config: Config, host: str | None, url: str | None) -> str:
    """The URL of `/predict`: at `url` if given, else at the host named `host`, else at the only host there is.

    Raises UsageError when that does not name one endpoint.
    """
    base = url or _host_url(*_choose(config, host))
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{base} is not a URL", remedy="Give one such as http://127.0.0.1:8000.")
    return base if parts.path.strip("/") else f"{base.rstrip('/')}/predict"


def check_may_load(url: str, config: Config, *, owned: bool) -> None:
    """Raise UsageError unless `url` is on this machine, on a configured host, or `owned` by the caller's word."""
    name = urlsplit(url).hostname or ""
    if owned or _is_loopback(name) or name in _configured_names(config):
        return
    raise UsageError(
        f"{name} is neither this machine nor a host in mldeploy.toml",
        cause="load on a machine that is not yours is an attack on it",
        remedy="Add it under [hosts] in mldeploy.toml, or say --i-own-this-host.",
    )


def _choose(config: Config, host: str | None) -> tuple[str, HostConfig]:
    names = ", ".join(sorted(config.hosts)) or "none"
    if host is None and len(config.hosts) == 1:
        return next(iter(config.hosts.items()))
    if host is None:
        raise UsageError(
            "It is not clear what to load",
            cause=f"hosts in mldeploy.toml: {names}",
            remedy="Name one with --host, or any endpoint with --url.",
        )
    if host not in config.hosts:
        raise UsageError(f"There is no host {host} in mldeploy.toml", cause=f"hosts there: {names}")
    return host, config.hosts[host]


def _host_url(name: str, host: HostConfig) -> str:
    return host.url or f"http://{host.address or name}"


def _configured_names(config: Config) -> set[str]:
    """Host names and addresses that the configuration vouches for."""
    urls = (_host_url(name, host) for name, host in config.hosts.items())
    addresses = (host.address for host in config.hosts.values())
    return {name for name in (*(urlsplit(url).hostname for url in urls), *addresses) if name}


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
