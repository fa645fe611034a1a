"""What an image has to be made for, as the host it is meant for says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.errors import UnreachableError
from mldeploy.host.facts import gather
from mldeploy.host.ssh import connect

if TYPE_CHECKING:
    from mldeploy.config import Config


def platform_of_host(config: Config) -> str | None:
    """The platform, such as linux/arm64, of the only host in the settings; None without one, or when it is away."""
    if len(config.hosts) != 1:
        return None
    (name,) = config.hosts
    try:
        with connect(name, config) as ssh:
            return f"linux/{gather(ssh).architecture}"
    except UnreachableError:
        return None
