"""The rig itself: what the other tests take for granted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import paramiko
import pytest

from tests.rig import RigError, up
from tests.rig.engine import docker

if TYPE_CHECKING:
    from tests.rig import Rig, Vm

INSTALL_DOCKER = "apt-get update -qq && apt-get install -y -qq --no-install-recommends docker.io docker-cli"


@pytest.fixture(scope="module")
def docker_vm(rig: Rig) -> Vm:
    """A VM with Docker as its users install it."""
    rig.vm.reset()
    rig.vm.exec("sh", "-c", f"DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND; {INSTALL_DOCKER}")
    return rig.vm


def test_the_vm_boots_without_a_failed_service_and_with_nothing_installed(bare_vm: Vm) -> None:
    assert bare_vm.exec("systemctl", "is-system-running") == "running"
    assert bare_vm.exec("sh", "-c", "command -v docker curl sudo python3 || echo none") == "none"


def test_ssh_answers_with_the_known_host_key_to_the_key_alone(rig: Rig) -> None:
    with paramiko.SSHClient() as client:
        client.load_host_keys(str(rig.known_hosts))
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.connect(
            rig.vm.address,
            port=rig.vm.ssh_port,
            username="root",
            key_filename=str(rig.identity),
            allow_agent=False,
            look_for_keys=False,
        )
        _, output, _ = client.exec_command("hostname")
        assert output.read() == b"rig\n"
    with paramiko.Transport((rig.vm.address, rig.vm.ssh_port)) as transport:
        transport.start_client(timeout=10)
        with pytest.raises(paramiko.BadAuthenticationType) as refusal:
            transport.auth_none("root")
    assert refusal.value.allowed_types == ["publickey"]


def test_a_plain_pull_in_the_vm_finds_the_base_images(docker_vm: Vm) -> None:
    docker_vm.exec("docker", "pull", "--quiet", "caddy:2")
    docker_vm.exec("docker", "pull", "--quiet", "python:3.13-slim")
    major, minor, *_ = docker_vm.exec("docker", "run", "--rm", "caddy:2", "caddy", "version").lstrip("v").split(".")
    assert (int(major), int(minor)) >= (2, 11)
    python = docker_vm.exec("docker", "run", "--rm", "python:3.13-slim", "python3", "--version")
    assert python.startswith("Python 3.13.")


def test_what_this_machine_pushes_the_vm_pulls_by_digest_under_the_same_name(rig: Rig, docker_vm: Vm) -> None:
    name = f"{rig.registry}/check/base"
    docker("tag", "python:3.13-slim", name)
    docker("push", "--quiet", name)
    reference = docker("inspect", "--format", "{{range .RepoDigests}}{{println .}}{{end}}", name)
    digest = next(line for line in reference.split() if line.startswith(name))
    docker("rmi", name)
    docker_vm.exec("docker", "pull", "--quiet", digest)
    assert docker_vm.exec("docker", "run", "--rm", digest, "python3", "-c", "print(1)") == "1"


def test_what_the_vm_runs_stays_within_its_memory(docker_vm: Vm) -> None:
    greedy = "bytearray(2 * 1024**3)"
    run = f"docker run --rm python:3.13-slim python3 -c '{greedy}'; echo $?"
    assert docker_vm.exec("sh", "-c", run).splitlines()[-1] == "137"


def test_a_power_cycle_brings_back_what_ran(docker_vm: Vm) -> None:
    docker_vm.exec("docker", "run", "--detach", "--restart", "unless-stopped", "--name", "web", "caddy:2")
    docker_vm.exec("docker", "run", "--detach", "--name", "stopped", "caddy:2")
    docker_vm.power_cycle()
    assert docker_vm.exec("docker", "ps", "--format", "{{.Names}}") == "web"


def test_what_died_is_brought_up_again(rig: Rig) -> None:
    docker("kill", rig.vm.name)
    docker("rm", "--force", "--volumes", f"{rig.network}-registry")
    assert up() == rig
    assert rig.vm.exec("systemctl", "is-system-running") == "running"
    docker("pull", "--quiet", f"{rig.registry}/library/caddy:2")
    docker("rmi", f"{rig.registry}/library/caddy:2")


def test_a_reset_makes_the_vm_bare_at_the_same_address(rig: Rig, docker_vm: Vm) -> None:
    docker_vm.exec("touch", "/root/mark")
    docker_vm.reset()
    with pytest.raises(RigError):
        docker_vm.exec("stat", "/root/mark")
    assert docker_vm.exec("sh", "-c", "command -v docker || ls /var/lib/docker | wc -l") == "0"
    assert up() == rig
