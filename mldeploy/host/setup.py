"""Prepare a bare Debian or Ubuntu machine: Docker, the network with its slots, Caddy, folders.

Idempotent: on a prepared host the plan is empty.
"""

from __future__ import annotations

import hashlib
import json
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

from mldeploy.errors import MldeployError, UsageError
from mldeploy.host.commands import caddy, docker, files, system
from mldeploy.host.edge import start_caddy
from mldeploy.host.layout import CADDY_CONTAINER, CADDY_IMAGE, NETWORK, ROOT
from mldeploy.plan import Step

if TYPE_CHECKING:
    from mldeploy.host.executor import Executor
    from mldeploy.host.facts import Facts

DAEMON_CONFIG = "/etc/docker/daemon.json"
PREPARED = f"{ROOT}/prepared"
MIN_DISK_BYTES = 2 * 1024**3

# What the daemon must have: releases survive its restart, and logs do not fill the disk.
DAEMON_SETTINGS: dict[str, Any] = {
    "live-restore": True,
    "log-driver": "json-file",
    "log-opts": {"max-size": "10m", "max-file": "3"},
}
# A connection that waits at a listener that closes goes to another one of the same port: to the Caddy that stays.
KERNEL_CONFIG = "/etc/sysctl.d/60-mldeploy.conf"
KERNEL_SETTINGS = "net.ipv4.tcp_migrate_req = 1\n"
_CANDIDATES = [IPv4Network(f"10.{second}.80.0/24") for second in (209, 137, 73, 31, 11)]
_GATEWAY_HOST_NUMBER = 1


def setup_steps(executor: Executor, facts: Facts) -> list[Step]:
    """The steps this host still needs.

    Raises UsageError for a machine that is not Debian or Ubuntu with systemd, or has no room.
    """
    subnet = network_of(facts)
    wanted = _digest()
    if facts.docker and facts.network and facts.caddy == "running" and facts.prepared == wanted:
        return []
    _require_fit(executor.name, facts)
    steps = []
    if not facts.docker:
        steps.append(Step("install Docker from the distribution's packages", lambda: _install_docker(executor)))
    steps.append(Step("configure Docker: live-restore, bounded logs", lambda: _configure_docker(executor)))
    if not facts.network:
        steps.append(Step(f"create the network {NETWORK} ({subnet})", lambda: _create_network(executor, subnet)))
    steps.append(Step("let ports pass from one Caddy to the next", lambda: _let_ports_pass(executor)))
    steps.append(Step(f"start Caddy ({CADDY_IMAGE}) on ports 80 and 443", lambda: start_caddy(executor)))
    steps.append(Step("record that the host is prepared", lambda: _record(executor, wanted)))
    return steps


def network_of(facts: Facts) -> IPv4Network:
    """The network's subnet: today's, else the first candidate that no route of the machine uses."""
    if facts.network:
        return IPv4Network(facts.network)
    for candidate in _CANDIDATES:
        if not any(route.prefixlen and candidate.overlaps(route) for route in facts.routes):
            return candidate
    raise MldeployError(
        "there is no free address range for the network of releases",
        cause=f"routes of the machine use {', '.join(map(str, _CANDIDATES))}",
        remedy=f"Create it by hand: docker network create --subnet A.B.C.0/24 {NETWORK}",
    )


def caddy_address(subnet: IPv4Network) -> str:
    """Caddy as the network of releases sees it: it listens on the machine itself, which is the network's gateway."""
    return str(subnet[_GATEWAY_HOST_NUMBER])


def _digest() -> str:
    """What a prepared host was prepared with; another digest means that the steps must run again."""
    wanted = [DAEMON_SETTINGS, KERNEL_SETTINGS, caddy.run(CADDY_CONTAINER, CADDY_IMAGE)]
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:16]


def _require_fit(host: str, facts: Facts) -> None:
    if not facts.docker and not (facts.has_apt and facts.has_systemd):
        raise UsageError(
            f"{host} cannot be prepared",
            cause=f"it runs {facts.os or 'an unknown system'}, without apt or without systemd",
            remedy="Use a Debian or Ubuntu machine, or install Docker there by hand.",
        )
    if facts.disk_free < MIN_DISK_BYTES:
        raise MldeployError(
            f"{host} has no room",
            cause=f"{facts.disk_free / 1e9:.1f} GB free under /var/lib; Docker and an image need 2 GB",
            remedy="Free some space there, then run the same command again.",
        )


def _install_docker(executor: Executor) -> str:
    executor.run(system.install_docker(), deadline=600)
    executor.run(system.enable("docker"), deadline=60)
    return executor.run(["docker", "--version"]).stdout


def _configure_docker(executor: Executor) -> str:
    """Merge our settings into the daemon's; what a person has set stays, save for these keys."""
    text = executor.run(files.read(DAEMON_CONFIG)).stdout
    try:
        before = json.loads(text) if text else {}
    except ValueError as failure:
        raise MldeployError(
            f"{DAEMON_CONFIG} on {executor.name} is not valid JSON",
            cause=str(failure),
            remedy="Mend or remove that file, then run the same command again.",
        ) from failure
    after = before | DAEMON_SETTINGS
    if after == before:
        return "as it was"
    executor.run(files.make_folders("/etc/docker"))
    executor.run(files.write(DAEMON_CONFIG), stdin=json.dumps(after, indent=2) + "\n")
    executor.run(system.restart("docker"), deadline=120)
    return DAEMON_CONFIG


def _create_network(executor: Executor, subnet: IPv4Network) -> None:
    _, dynamic_range = subnet.subnets()
    executor.run(docker.create_network(str(subnet), caddy_address(subnet), str(dynamic_range)))


def _let_ports_pass(executor: Executor) -> None:
    executor.run(files.write(KERNEL_CONFIG), stdin=KERNEL_SETTINGS)
    executor.run(system.load_kernel_settings(KERNEL_CONFIG))


def _record(executor: Executor, digest: str) -> None:
    executor.run(files.write(PREPARED), stdin=digest + "\n")
