"""Facts as read from what the host prints."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from mldeploy.host.facts import gather, parse
from tests.unit.local_executor import LocalExecutor

PRINTED = """\
os=debian 13
machine=aarch64
clock=1790000000
disk_free_kb= 1048576
memory_free_kb=24000000
memory_group=max 300000000 0
memory_group=1073741824 500000000 100000000
apt=/usr/bin/apt-get
systemd=/usr/bin/systemctl
routes=00000000/00000000 0050D10A/00FFFFFF
prepared=
docker_installed=yes
docker=26.1.5
network=10.209.80.0/24
caddy=running
"""


def test_the_smaller_of_memory_and_its_limit_counts_and_cache_is_free() -> None:
    assert parse(PRINTED).memory_free == 1073741824 - 400000000


def test_without_a_limit_the_machine_counts() -> None:
    assert parse(PRINTED.replace("memory_group=1073741824", "memory_group=max")).memory_free == 24000000 * 1024


def test_architecture_disk_and_routes_are_understood() -> None:
    facts = parse(PRINTED)
    assert facts.architecture == "arm64"
    assert facts.disk_free == 1024**3
    assert facts.routes == (IPv4Network("0.0.0.0/0"), IPv4Network("10.209.80.0/24"))


@pytest.mark.parametrize("missing", ["docker", "network", "caddy", "apt"])
def test_what_is_not_there_is_empty(missing: str) -> None:
    kept = "\n".join(line for line in PRINTED.splitlines() if not line.startswith(f"{missing}="))
    facts = parse(kept)
    assert not {"apt": facts.has_apt, "docker": facts.docker, "network": facts.network, "caddy": facts.caddy}[missing]


def test_a_real_machine_answers() -> None:
    facts = gather(LocalExecutor())
    assert facts.architecture in ("amd64", "arm64")
    assert facts.disk_free > 0
    assert facts.memory_free > 0
    assert facts.clock > 1_700_000_000
