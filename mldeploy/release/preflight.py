"""What must hold on a host before a release is begun there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError, UnreachableError

if TYPE_CHECKING:
    from mldeploy.host.facts import Facts
    from mldeploy.release.ledger import History

MIN_DISK_BYTES = 500 * 1024**2
MIN_MEMORY_BYTES = 120 * 1024**2
MAX_CLOCK_SKEW_SECONDS = 300


def require_docker(host: str, facts: Facts) -> None:
    """Refuse a host whose Docker is there and does not answer: what runs there cannot be known."""
    if facts.docker_installed and not facts.docker:
        raise UnreachableError(
            f"Docker on {host} does not answer",
            cause="its command is installed, but the daemon is not running or is starting",
            remedy=f"Look at it with `ssh {host} systemctl status docker`. What it runs goes on serving meanwhile.",
        )


def torn_warning(history: History) -> list[str]:
    return ["a line of the ledger was torn by a power cut or a full disk; it was passed over"] if history.torn else []


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
