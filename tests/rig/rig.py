"""Bring the rig up and down, and tell where its parts are."""

from __future__ import annotations

import fcntl
import ipaddress
import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy import console
from tests.rig import engine, images, keys, registry, vm
from tests.rig.archive import File
from tests.rig.engine import docker
from tests.rig.names import Names, choose_subnet, names_of, parse_routes, subnets_of

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / ".rig"


@dataclass(frozen=True)
class Rig:
    """A registry and a VM that run, and the files by which mldeploy and ssh reach them.

    `registry` is `ip:port`, the same name here and in the VM. Containers that carry `label` end with the rig.
    """

    folder: Path
    network: str
    label: str
    registry: str
    vm: vm.Vm

    @property
    def config(self) -> Path:
        """A mldeploy.toml with the registry and the VM as the host `rig`."""
        return self.folder / "mldeploy.toml"

    @property
    def ssh_config(self) -> Path:
        """An SSH configuration with the VM as the host `rig`."""
        return self.folder / "ssh_config"

    @property
    def identity(self) -> Path:
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def registry_ca(self) -> Path:
        return self.folder / "ca.crt"


def up() -> Rig:
    """Bring up what does not run yet.

    Raises:
        RigError: this machine cannot run the rig; the message says why.
    """
    with _locked("lock"):
        engine.ensure(FOLDER)
        names = names_of(CHECKOUT)
        keys.authority(FOLDER / "ca.crt", FOLDER / "ca.key")
        subnet = _network(names)
        registry_address, vm_address = str(subnet[2]), str(subnet[3])
        registry_name = registry.ensure(names, registry_address, FOLDER)
        machine = vm.ensure(names, names.vm, vm_address, _provisioned(registry_name))
        rig = Rig(FOLDER, names.network, names.label, registry_name, machine)
        _write_files(rig)
        return rig


@contextmanager
def second_vm(rig: Rig) -> Iterator[vm.Vm]:
    """Another VM beside that of `rig`, while the context is open: the host `rig-2` in the files that name hosts."""
    names = names_of(CHECKOUT)
    second = vm.ensure(names, names.second_vm, str(_network(names)[4]), _provisioned(rig.registry))
    _write_files(rig, second)
    try:
        yield second
    finally:
        second.remove()
        _write_files(rig)


@contextmanager
def use() -> Iterator[Rig]:
    """Bring the rig up and keep it for this process alone; it stays up afterwards."""
    with _locked("in-use"):
        yield up()


def down(*, with_images: bool) -> None:
    """Remove all parts, and the engine if the rig started it. Built images are a cache, and stay unless asked for."""
    with _locked("in-use"), _locked("lock"):
        engine.ensure(FOLDER)
        names = names_of(CHECKOUT)
        for container in docker("ps", "--all", "--quiet", "--filter", f"label={names.label}").split():
            docker("rm", "--force", "--volumes", container)
        subnet = _subnet(names)
        if subnet is not None:
            registry.distrust(f"{subnet[2]}:{registry.PORT}")
            docker("network", "rm", names.network)
        if with_images:
            images.remove()
        engine.stop(FOLDER)
    shutil.rmtree(FOLDER)


def status() -> list[str]:
    """One line a container: its name, its state and its ports."""
    label = names_of(CHECKOUT).label
    return docker(
        "ps", "--all", "--filter", f"label={label}", "--format", "{{.Names}}  {{.Status}}  {{.Ports}}"
    ).splitlines()


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """Wait until no other process on this checkout holds the lock `name`, and hold it."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    with (FOLDER / name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.note("another process uses the rig: waiting for it to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _network(names: Names) -> ipaddress.IPv4Network:
    subnet = _subnet(names)
    if subnet is None:
        subnet = choose_subnet(subnets_of(CHECKOUT), parse_routes(Path("/proc/net/route").read_text()))
        docker("network", "create", "--label", names.label, "--subnet", str(subnet), names.network)
    return subnet


def _subnet(names: Names) -> ipaddress.IPv4Network | None:
    if not docker("network", "ls", "--quiet", "--filter", f"name=^{names.network}$"):
        return None
    return ipaddress.IPv4Network(
        docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", names.network)
    )


def _provisioned(registry_name: str) -> dict[str, File]:
    """What a VM's owner has put on it: who may log in, its host key, and where its Docker finds images."""
    authority = (FOLDER / "ca.crt").read_bytes()
    user_key = keys.ssh_key(FOLDER / "id_ed25519")
    host_key = keys.ssh_key(FOLDER / "ssh_host_ed25519_key")
    daemon = json.dumps({"registry-mirrors": [f"https://{registry_name}"]}, indent=2)
    return {
        "root/.ssh/authorized_keys": File(user_key.encode() + b"\n", 0o600),
        "etc/ssh/ssh_host_ed25519_key": File((FOLDER / "ssh_host_ed25519_key").read_bytes(), 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": File(host_key.encode() + b"\n"),
        "etc/docker/daemon.json": File(daemon.encode() + b"\n"),
        f"etc/docker/certs.d/{registry_name}/ca.crt": File(authority),
    }


def _write_files(rig: Rig, *others: vm.Vm) -> None:
    """What mldeploy and ssh need to reach the VM, and others beside it as `rig-2`, `rig-3` and so on."""
    machines = {"rig": rig.vm} | {f"rig-{number}": other for number, other in enumerate(others, start=2)}
    host_key = keys.ssh_key(FOLDER / "ssh_host_ed25519_key")
    rig.known_hosts.write_text("".join(f"{_target(machine)} {host_key}\n" for machine in machines.values()))
    rig.ssh_config.write_text("\n".join(_ssh_host(rig, name, machine) for name, machine in machines.items()))
    head = f'registry = "{rig.registry}"\nssh_config = "{rig.ssh_config}"\n\n'
    rig.config.write_text(head + "\n".join(_host(rig, name, machine) for name, machine in machines.items()))


def _target(machine: vm.Vm) -> str:
    return machine.address if machine.ssh_port == 22 else f"[{machine.address}]:{machine.ssh_port}"


def _ssh_host(rig: Rig, name: str, machine: vm.Vm) -> str:
    return f"""\
Host {name}
    HostName {machine.address}
    Port {machine.ssh_port}
    User root
    IdentityFile "{rig.identity}"
    IdentitiesOnly yes
    UserKnownHostsFile "{rig.known_hosts}"
    StrictHostKeyChecking yes
"""


def _host(rig: Rig, name: str, machine: vm.Vm) -> str:
    return f"""\
[hosts.{name}]
address = "{machine.address}"
user = "root"
port = {machine.ssh_port}
identity_file = "{rig.identity}"
known_hosts = "{rig.known_hosts}"
url = "{machine.secure_url}"
"""
