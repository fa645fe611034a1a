"""Hosts are reached as ssh reaches them, and never by a key that nobody vouches for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from mldeploy.config import Config, load_config
from mldeploy.errors import UnreachableError
from mldeploy.host import ssh as ssh_module
from mldeploy.host.names import vouched
from mldeploy.host.ssh import connect
from tests.rig.keys import ssh_key

if TYPE_CHECKING:
    from pathlib import Path

    from mldeploy.host.ssh_executor import SshExecutor
    from tests.rig import Rig, Vm


@pytest.fixture
def config(rig: Rig) -> Config:
    rig.vm.wait()
    return load_config(rig.config)


def knowing(config: Config, known_hosts: Path) -> Config:
    """The settings with another file of known hosts."""
    host = config.hosts["rig"].model_copy(update={"known_hosts": known_hosts})
    return config.model_copy(update={"hosts": {"rig": host}})


def fingerprint_of(vm: Vm) -> str:
    return vm.exec("ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub").split()[1]


def test_an_unknown_host_is_refused_with_its_fingerprint(config: Config, vm: Vm, tmp_path: Path) -> None:
    new = knowing(config, tmp_path / "k")
    with pytest.raises(UnreachableError, match="not known yet") as failure, connect("rig", new):
        pass
    assert fingerprint_of(vm) in failure.value.cause
    assert not (tmp_path / "k").exists()


def test_a_fingerprint_that_fits_is_the_introduction(config: Config, vm: Vm, tmp_path: Path) -> None:
    new = knowing(config, tmp_path / "k")
    with connect("rig", vouched(new, "rig", fingerprint_of(vm))) as ssh:
        assert ssh.run(["hostname"]).stdout == "rig"
    with connect("rig", new) as ssh:
        assert ssh.run(["hostname"]).stdout == "rig"


def test_a_fingerprint_that_does_not_fit_stops(config: Config, tmp_path: Path) -> None:
    wrong = vouched(knowing(config, tmp_path / "k"), "rig", f"SHA256:{'A' * 43}")
    with pytest.raises(UnreachableError, match="not who you said"), connect("rig", wrong):
        pass


def test_a_changed_key_stops_with_both_fingerprints(config: Config, rig: Rig, vm: Vm, tmp_path: Path) -> None:
    other = ssh_key(tmp_path / "other")
    address, _ = rig.known_hosts.read_text().split(" ", 1)
    (tmp_path / "k").write_text(f"{address} {other}\n")
    stale = knowing(config, tmp_path / "k")
    with pytest.raises(UnreachableError, match="has changed") as failure, connect("rig", stale):
        pass
    assert failure.value.cause.count("SHA256:") == 2
    assert fingerprint_of(vm) in failure.value.cause


def test_a_host_behind_another_is_reached_and_both_keys_are_checked(rig: Rig, vm: Vm, tmp_path: Path) -> None:
    """The machine behind is the VM again, at an address that is known inside alone."""
    settings = tmp_path / "ssh_config"
    known = tmp_path / "k"
    settings.write_text(
        rig.ssh_config.read_text().replace(str(rig.known_hosts), str(known))
        + f'Host behind\n  HostName 127.0.0.1\n  User root\n  ProxyJump rig\n  IdentityFile "{rig.identity}"\n'
        f'  UserKnownHostsFile "{known}"\n'
    )
    config = Config(ssh_config=settings)
    inner = f"127.0.0.1 {vm.exec('cat', '/etc/ssh/ssh_host_ed25519_key.pub')}\n"
    known.write_text(rig.known_hosts.read_text() + inner)
    with connect("behind", config) as ssh:
        assert ssh.run(["sh", "-c", "echo $SSH_CONNECTION"]).stdout.startswith("127.0.0.1 ")
    known.write_text(inner)
    with pytest.raises(UnreachableError), connect("behind", config):
        pass


def test_a_command_past_its_deadline_is_given_up(config: Config) -> None:
    with connect("rig", config) as ssh, pytest.raises(UnreachableError, match="within 1 s"):
        ssh.run(["sleep", "60"], deadline=1)


def test_a_host_that_falls_silent_is_given_up(config: Config, vm: Vm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing comes back, as when a laptop leaves its network; asking for a port has no time limit of its own."""
    monkeypatch.setattr(ssh_module, "SILENCE_SECONDS", 2)
    drop = ("INPUT", "-p", "tcp", "--dport", "22", "-j", "DROP")
    told: list[str] = []

    def ask(ssh: SshExecutor) -> None:
        try:
            with ssh.forwarded(lambda *_: None):
                pass
        except UnreachableError as failure:
            told.append(failure.message)

    with connect("rig", config) as ssh:
        vm.exec("iptables", "-I", *drop)
        try:
            asking = threading.Thread(target=ask, args=(ssh,), daemon=True)
            asking.start()
            asking.join(60)
        finally:
            vm.exec("iptables", "-D", *drop)
    assert told == ["the connection to rig is lost"]


INTERRUPTED = """
import os, signal, sys, threading, time
from pathlib import Path
from mldeploy.config import load_config
from mldeploy.host.ssh import connect

with connect("rig", load_config(Path(sys.argv[1]))) as ssh:
    begun = time.monotonic()
    ssh.run(["true"])
    usual = time.monotonic() - begun
    for turn in range(100):
        timer = threading.Timer(usual * turn / 100, os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            while True:
                ssh.run(["true"])
        except KeyboardInterrupt:
            pass
        timer.join()
        ssh.run(["echo", "answers"])
print("all answered")
"""


def test_an_interrupt_at_any_moment_of_a_command_leaves_the_connection_of_use(rig: Rig) -> None:
    rig.vm.wait()
    done = subprocess.run(
        ["env", "--default-signal=INT", sys.executable, "-c", INTERRUPTED, str(rig.config)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "all answered\n", done.stderr


def test_an_interrupted_command_comes_to_its_end_before_what_follows(config: Config) -> None:
    """Else what undoes it might come first."""
    with connect("rig", config) as ssh:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            ssh.run(["sh", "-c", "sleep 1; touch /run/ended"])
        assert ssh.run(["rm", "/run/ended"], check=False).exit_code == 0
