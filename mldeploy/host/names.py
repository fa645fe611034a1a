"""Hosts by name: those of mldeploy.toml, and the aliases of the SSH configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import paramiko
from pydantic import ValidationError

from mldeploy.config import HostConfig
from mldeploy.errors import UsageError

if TYPE_CHECKING:
    from mldeploy.config import Config
    from mldeploy.host.site import Site


def choose_host(config: Config, wanted: str | None) -> str:
    """The host wanted, else the only one in mldeploy.toml. Raises UsageError when it is not clear which is meant."""
    if wanted:
        return wanted
    if len(config.hosts) == 1:
        return next(iter(config.hosts))
    raise UsageError(
        "it is not clear which host is meant",
        cause=f"mldeploy.toml has {', '.join(config.hosts)}" if config.hosts else "mldeploy.toml names no host",
        remedy="Name one with --host.",
    )


def read_aliases(config: Config) -> paramiko.SSHConfig:
    """The SSH configuration file; an empty one where there is none."""
    path = config.ssh_config
    if not path.exists():
        return paramiko.SSHConfig()
    try:
        return paramiko.SSHConfig.from_path(str(path))
    except (OSError, paramiko.ConfigParseError) as failure:
        raise UsageError(f"{path} cannot be read", cause=str(failure), remedy="Mend the SSH file.") from failure


def is_named(name: str, config: Config) -> bool:
    """Whether the person has written this host down, in either file."""
    return name in config.hosts or name in read_aliases(config).get_hostnames()


def address_of(name: str, config: Config) -> str:
    """The address at which a host is reached: as configured, else as the SSH file says, else its name."""
    host = config.hosts.get(name)
    target = (host and host.address) or name
    return str(read_aliases(config).lookup(target).get("hostname", target))


def url_of(site: Site, host: str, config: Config) -> str:
    """Where this machine finds an app: with the port of the host's configured URL, where that is of the same kind."""
    name = site.name or address_of(host, config)
    known = config.hosts.get(host)
    parts = urlsplit(known.url) if known and known.url else None
    if parts and parts.hostname == name and parts.scheme == site.scheme:
        name = parts.netloc
    return f"{site.scheme}://{name}{site.path}"


def vouched(config: Config, host: str, fingerprint: str | None) -> Config:
    """`config` with the person's word on the key of a host."""
    if fingerprint is None:
        return config
    try:
        known = HostConfig.model_validate(dict(config.hosts.get(host, HostConfig())) | {"fingerprint": fingerprint})
    except ValidationError as failure:
        raise UsageError(
            f"{fingerprint} is no fingerprint", remedy="It looks like SHA256:… and 43 characters."
        ) from failure
    return config.model_copy(update={"hosts": {**config.hosts, host: known}})


def public_address(name: str, config: Config) -> str:
    """The name under which people ask the host: that of its configured URL, else its address."""
    host = config.hosts.get(name)
    return (host and host.url and urlsplit(host.url).hostname) or address_of(name, config)
