"""The VM: a container that behaves like a bare, cheap Debian machine with systemd and sshd."""

from __future__ import annotations

import json
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.rig import containers, images, machine
from tests.rig.containers import Container
from tests.rig.engine import docker
from tests.rig.names import Names, Published, addresses, is_free
from tests.rig.shell import RigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.rig.archive import File

BOOT_TIMEOUT_S = 60
SIZE_OPTIONS = ("--memory", "1g", "--memory-swap", "1g", "--cpus", "1")


@dataclass(frozen=True)
class Vm:
    """A running VM and where its ports are published."""

    container: Container
    published: Published

    @property
    def name(self) -> str:
        return self.container.name

    @property
    def address(self) -> str:
        return self.published.address

    @property
    def ssh_port(self) -> int:
        return self.published.ssh_port

    @property
    def url(self) -> str:
        return self.published.url

    @property
    def secure_url(self) -> str:
        return self.published.secure_url

    def exec(self, *argv: str) -> str:
        """Run `argv` in the VM as root, past SSH, and answer its standard output."""
        return docker("exec", self.name, *argv)

    def power_cycle(self) -> None:
        """Cut the power, give it back, and wait until the VM has booted. Its disk keeps all."""
        docker("kill", self.name)
        docker("start", self.name)
        self.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let nothing in the VM run: its connections stay open, and nothing comes through them."""
        docker("pause", self.name)
        try:
            yield
        finally:
            docker("unpause", self.name)

    def reset(self) -> None:
        """Make the VM bare again, at the same address and with the same host keys, and wait until it has booted."""
        containers.replace(self.container)
        self.wait()

    def remove(self) -> None:
        containers.remove(self.name)

    def wait(self) -> None:
        """Wait until the VM has booted and its sshd answers."""
        deadline = time.monotonic() + BOOT_TIMEOUT_S
        while not _says_ssh(self.address, self.ssh_port):
            if time.monotonic() > deadline:
                log = docker("logs", "--tail", "5", self.name)
                raise RigError(f"the VM did not boot within {BOOT_TIMEOUT_S} s", cause=log)
            time.sleep(0.05)
        # It fails where a service failed: that is for the caller to see.
        self.exec("sh", "-c", "systemctl is-system-running --wait || true")


def ensure(names: Names, name: str, network_address: str, files: Mapping[str, File]) -> Vm:
    """Answer the VM of this name that runs, or start one at the first address whose ports are free."""
    image = images.vm()
    current = _current(name)
    if current is not None:
        vm = Vm(_container(names, name, image, network_address, current, files), current)
        if containers.is_running(vm.container):
            vm.wait()
            return vm
        containers.remove(name)
    for published in _places(current):
        vm = Vm(_container(names, name, image, network_address, published, files), published)
        try:
            vm.reset()
        except RigError as failure:
            # Somebody took a port between our look and our start.
            if "already in use" in failure.cause or "already allocated" in failure.cause:
                continue
            raise
        return vm
    raise RigError(
        "no loopback address is free for the VM",
        cause="on each of 127.0.0.2 to 127.0.0.254 a port is taken, most likely by a service on 0.0.0.0",
        remedy="`ss -ltn` shows who listens. Free one port of each pair: 22 or 2222, 80 or 8080, 443 or 8443.",
    )


def _places(current: Published | None) -> Iterator[Published]:
    if current is not None and all(is_free(current.address, port) for port in current.ports):
        yield current
    yield from addresses(is_free)


def _current(name: str) -> Published | None:
    """Where the VM's ports are, or were, published."""
    if not docker("ps", "--all", "--quiet", "--filter", f"name=^{name}$"):
        return None
    bindings = json.loads(docker("inspect", "--format", "{{json .HostConfig.PortBindings}}", name))
    places = [bindings[f"{port}/tcp"][0] for port in (22, 80, 443)]
    return Published(places[0]["HostIp"], *(int(place["HostPort"]) for place in places))


def _container(
    names: Names, name: str, image: str, network_address: str, published: Published, files: Mapping[str, File]
) -> Container:
    ports = zip(published.ports, (22, 80, 443), strict=True)
    options = (
        *("--hostname", "rig", "--label", names.label, "--network", names.network, "--ip", network_address),
        *(f"--publish={published.address}:{outer}:{inner}" for outer, inner in ports),
        *machine.options(),
        *SIZE_OPTIONS,
    )
    return Container(name, image, options, files)


def _says_ssh(address: str, port: int) -> bool:
    """Whether an sshd greets: Docker's proxy accepts connections before there is one."""
    try:
        with socket.create_connection((address, port), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
