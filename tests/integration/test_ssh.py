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
from mldeploy.errors import UnreachableError, UsageError
from mldeploy.host import transport
from mldeploy.host.executor import CommandError
from mldeploy.host.names import vouched
from mldeploy.host.ssh import connect
from tests.rig.keys import ssh_key

if TYPE_CHECKING:
    from collections.abc import Callable
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


def test_a_connection_that_breaks_during_a_command_is_not_taken_for_its_failure(config: Config) -> None:
    with connect("rig", config) as ssh, pytest.raises(UnreachableError, match="the connection to rig is lost"):
        ssh.run(["sh", "-c", "kill -KILL $PPID; sleep 60"], check=False)


def test_a_command_that_a_signal_ends_has_failed(config: Config) -> None:
    with connect("rig", config) as ssh, pytest.raises(CommandError):
        ssh.run(["sh", "-c", "kill -KILL $$"])


def test_a_command_that_ends_before_it_read_all_says_why(config: Config) -> None:
    with connect("rig", config) as ssh, pytest.raises(CommandError) as failure:
        ssh.feed(["sh", "-c", "echo no room >&2; exit 3"], lambda send: send(bytes(20_000_000)), deadline=30)
    assert (failure.value.cause, failure.value.result.exit_code) == ("no room", 3)


def missing_key(config: Config, path: Path) -> Config:
    host = config.hosts["rig"].model_copy(update={"identity_file": path})
    return config.model_copy(update={"hosts": {"rig": host}})


def test_a_key_of_the_settings_that_is_not_there_is_named(config: Config, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as failure, connect("rig", missing_key(config, tmp_path / "no_key")):
        pass
    assert failure.value.cause == f"hosts.rig.identity_file in mldeploy.toml is {tmp_path / 'no_key'}"


def test_a_key_of_the_ssh_configuration_that_is_not_there_is_passed_over(rig: Rig, tmp_path: Path) -> None:
    """As ssh does."""
    settings = tmp_path / "ssh_config"
    settings.write_text(f'Host *\n  IdentityFile "{tmp_path / "no_key"}"\n{rig.ssh_config.read_text()}')
    with connect("rig", Config(ssh_config=settings)) as ssh:
        assert ssh.run(["hostname"]).stdout == "rig"


def behind(rig: Rig, vm: Vm, folder: Path) -> Config:
    """Settings with a host `behind`: the VM again, at an address that is known inside alone."""
    settings = folder / "ssh_config"
    known = folder / "k"
    settings.write_text(
        rig.ssh_config.read_text().replace(str(rig.known_hosts), str(known))
        + f'Host behind\n  HostName 127.0.0.1\n  User root\n  ProxyJump rig\n  IdentityFile "{rig.identity}"\n'
        f'  UserKnownHostsFile "{known}"\n'
    )
    known.write_text(rig.known_hosts.read_text() + inner_key(vm))
    return Config(ssh_config=settings)


def inner_key(vm: Vm) -> str:
    return f"127.0.0.1 {vm.exec('cat', '/etc/ssh/ssh_host_ed25519_key.pub')}\n"


def test_a_host_behind_another_is_reached_and_both_keys_are_checked(rig: Rig, vm: Vm, tmp_path: Path) -> None:
    config = behind(rig, vm, tmp_path)
    with connect("behind", config) as ssh:
        assert ssh.run(["sh", "-c", "echo $SSH_CONNECTION"]).stdout.startswith("127.0.0.1 ")
    (tmp_path / "k").write_text(inner_key(vm))
    with pytest.raises(UnreachableError), connect("behind", config):
        pass


def test_a_command_past_its_deadline_is_given_up(config: Config) -> None:
    with connect("rig", config) as ssh, pytest.raises(UnreachableError, match="within 1 s"):
        ssh.run(["sleep", "60"], deadline=1)


def ask_for_a_port(ssh: SshExecutor) -> None:
    with ssh.forwarded(lambda *_: None):
        pass


def wait_for_a_command(ssh: SshExecutor) -> None:
    ssh.run(["sleep", "600"], deadline=600)


def send_without_end(ssh: SshExecutor) -> None:
    def write(send: Callable[[bytes], object]) -> None:
        while True:
            send(bytes(1_000_000))

    ssh.feed(["sh", "-c", "cat > /dev/null"], write, deadline=600)


@pytest.mark.parametrize("act", [ask_for_a_port, wait_for_a_command, send_without_end])
@pytest.mark.parametrize("host", ["rig", "behind"])
def test_a_host_that_falls_silent_is_given_up(
    host: str,
    act: Callable[[SshExecutor], None],
    rig: Rig,
    vm: Vm,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when a laptop leaves its network: nothing ends the connection, and nothing comes through it."""
    monkeypatch.setattr(transport, "SILENCE_SECONDS", 1)
    monkeypatch.setattr(transport, "KEEPALIVE_SECONDS", 1)
    told: list[str] = []

    def ask(ssh: SshExecutor) -> None:
        try:
            act(ssh)
        except UnreachableError as failure:
            told.append(f"{failure.message}: {failure.cause}")

    with connect(host, behind(rig, vm, tmp_path)) as ssh, vm.frozen():
        asking = threading.Thread(target=ask, args=(ssh,), daemon=True)
        asking.start()
        asking.join(20)
        assert told == [f"the connection to {host} is lost: nothing came for 1 s"]


def test_a_host_that_works_in_silence_is_waited_for(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "SILENCE_SECONDS", 1)
    monkeypatch.setattr(transport, "KEEPALIVE_SECONDS", 0.1)
    with connect("rig", config) as ssh:
        assert ssh.run(["sh", "-c", "sleep 3; echo done"]).stdout == "done"


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
