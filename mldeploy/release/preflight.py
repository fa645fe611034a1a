"""What must hold on a host before a release is begun there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError

if TYPE_CHECKING:
    from mldeploy.host.facts import Facts

MIN_DISK_BYTES = 500 * 1024**2
MIN_MEMORY_BYTES = 120 * 1024**2
MAX_CLOCK_SKEW_SECONDS = 300


def require_room(host: str, facts: Facts) -> None:
    """Refuse what would fail half way: no disk or no memory for a second release beside the one that serves."""
    if facts.disk_free < MIN_DISK_BYTES:
        raise MldeployError(
            f"the disk of {host} is full",
            cause=f"{facts.disk_free / 1e6:.0f} MB free under /var/lib; a release needs 500 MB",
            remedy="Free some space there (`docker system df` says what Docker holds), then run the command again.",
        )
    if facts.memory_free < MIN_MEMORY_BYTES:
        raise MldeployError(
            f"{host} has no memory for a second release beside the one that serves",
            cause=f"{facts.memory_free / 1e6:.0f} MB free; about 120 MB are needed while both run",
            remedy="Stop what else runs there, or use a larger machine.",
        )


def clock_warning(host: str, facts: Facts) -> list[str]:
    """A warning when the host's clock is off: times in the ledger and TLS then fail in confusing ways."""
    skew = facts.clock - time.time()
    if abs(skew) < MAX_CLOCK_SKEW_SECONDS:
        return []
    return [f"the clock of {host} is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's"]
