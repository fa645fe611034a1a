"""What is not as it should be on a host, and what to do about it."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mldeploy.host.commands import docker, files
from mldeploy.host.layout import CADDY_CONTAINER, CADDY_PIN
from mldeploy.host.names import address_of
from mldeploy.host.setup import MIN_DISK_BYTES
from mldeploy.host.site import read_sites

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mldeploy.config import Config
    from mldeploy.host.executor import Executor
    from mldeploy.host.facts import Facts

MIN_MEMORY_BYTES = 256 * 1024**2
MAX_CLOCK_SKEW_SECONDS = 5
OLDEST_DOCKER = (20, 10)
ARCHITECTURES = ("amd64", "arm64")


@dataclass(frozen=True)
class Problem:
    what: str
    remedy: str


def check_host(executor: Executor, facts: Facts, config: Config) -> list[Problem]:
    """All that is wrong, the worst first; nothing is changed."""
    return [
        *check_facts(facts, time.time()),
        *(_check_caddy(executor) if facts.caddy == "running" else []),
        *_check_names(executor, config),
    ]


def check_facts(facts: Facts, now: float) -> list[Problem]:
    """What the facts alone say; `now` is this machine's clock, in seconds since 1970."""
    skew = facts.clock - now
    wrong = [
        (
            facts.architecture not in ARCHITECTURES,
            f"its architecture is {facts.architecture}: there are images for {' and '.join(ARCHITECTURES)} only",
            "Use another machine.",
        ),
        (
            not facts.docker and facts.docker_installed,
            "Docker is installed and does not answer",
            "`systemctl status docker` there says why.",
        ),
        (not facts.docker_installed, "Docker is not installed", "`mldeploy host setup` installs it."),
        (
            bool(facts.docker) and _version(facts.docker) < OLDEST_DOCKER,
            f"Docker is {facts.docker}; 20.10 is the oldest that is known to do",
            "Upgrade the distribution, or Docker there.",
        ),
        (
            bool(facts.docker) and facts.caddy != "running",
            f"Caddy is {facts.caddy or 'not there'}, so nobody is served",
            "`mldeploy host setup` starts it.",
        ),
        (
            facts.caddy != "running" and bool(facts.ports_taken),
            f"something else listens on {' and '.join(map(str, facts.ports_taken))}",
            "`ss -ltnp` there names it. Stop it: Caddy needs 80 and 443.",
        ),
        (
            facts.disk_free < MIN_DISK_BYTES,
            f"{facts.disk_free / 1e9:.1f} GB of disk are free; images and logs need 2 GB",
            "`docker system df` there says what Docker holds.",
        ),
        (
            facts.memory_free < MIN_MEMORY_BYTES,
            f"{facts.memory_free / 1e6:.0f} MB of memory are free; two releases side by side need 256 MB",
            "Stop what else runs there, or use a larger machine.",
        ),
        (
            abs(skew) > MAX_CLOCK_SKEW_SECONDS,
            f"its clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's",
            "`timedatectl set-ntp true` there keeps it right.",
        ),
    ]
    return [Problem(what, remedy) for is_wrong, what, remedy in wrong if is_wrong]


def _check_caddy(executor: Executor) -> Iterable[Problem]:
    pinned = executor.run(files.read(CADDY_PIN)).stdout
    running = executor.run(docker.image_of(CADDY_CONTAINER), check=False).stdout
    if pinned != running:
        yield Problem(
            f"Caddy runs as {running}, and {pinned or 'nothing'} was recorded when the host was set up",
            "If you changed it, `mldeploy host setup --upgrade-caddy` records it; if not, find out who did.",
        )


def _check_names(executor: Executor, config: Config) -> Iterable[Problem]:
    """Domains of apps must lead to this host, or no authority certifies them."""
    here = _resolve(address_of(executor.name, config))
    for app, site in read_sites(executor).items():
        if site.tls != "acme":
            continue
        there = _resolve(site.name)
        if not there & here:
            yield Problem(
                f"{site.name}, the domain of {app}, leads to {', '.join(sorted(there)) or 'nowhere'}",
                f"Point its A or AAAA record at {', '.join(sorted(here))}.",
            )


def _resolve(name: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(name, None)}
    except OSError:
        return set()


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
