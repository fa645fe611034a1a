"""`mldeploy host` on a real machine with systemd and sshd."""

from __future__ import annotations

import shutil
import socket
from typing import TYPE_CHECKING

import pytest

from mldeploy.config import load_config
from mldeploy.host.commands import system
from mldeploy.host.ssh import connect
from tests.integration.command import mldeploy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rig import Rig


@pytest.fixture(scope="module")
def folder(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare VM that was set up, and a folder whose settings name it."""
    rig.vm.reset()
    folder = tmp_path_factory.mktemp("host")
    shutil.copy(rig.config, folder / "mldeploy.toml")
    steps = mldeploy(folder, "host", "setup", "rig", "--json").outcome
    assert "install Docker from the distribution's packages" in steps
    return folder


def test_a_second_run_changes_nothing_and_says_so(folder: Path, rig: Rig) -> None:
    before = rig.vm.exec("docker", "ps", "--quiet")
    again = mldeploy(folder, "host", "setup", "rig", "--json")
    assert again.outcome == []
    assert "nothing was changed" in again.stderr
    assert rig.vm.exec("docker", "ps", "--quiet") == before


def test_a_machine_that_was_set_up_has_no_problem(folder: Path) -> None:
    checked = mldeploy(folder, "host", "check", "rig", "--json")
    assert checked.outcome["problems"] == []


def test_the_deploy_user_gets_in_and_may_do_all_that_the_tool_does(folder: Path) -> None:
    settings = (folder / "mldeploy.toml").read_text().replace('user = "root"', 'user = "deploy"')
    other = folder / "deploy"
    other.mkdir()
    (other / "mldeploy.toml").write_text(settings)
    assert mldeploy(other, "host", "setup", "rig", "--json").outcome == []


def test_a_deploy_user_that_was_made_by_half_is_made_whole(folder: Path, rig: Rig) -> None:
    """As it is left when its keys could not be copied, and when it was cut off."""
    rig.vm.exec("sh", "-c", "rm -r /home/deploy/.ssh; mv /etc/sudoers.d/deploy /etc/sudoers.d/deploy.new")
    assert mldeploy(folder, "host", "setup", "rig", "--json").outcome == ["the user deploy"]
    assert mldeploy(folder / "deploy", "host", "setup", "rig", "--json").outcome == []


def test_what_is_neither_ssh_nor_the_web_is_shut_after_a_restart_too(folder: Path, rig: Rig) -> None:
    rig.vm.power_cycle()
    assert "tcp dport { 22, 80, 443 } accept" in rig.vm.exec("nft", "list", "table", "inet", "mldeploy")
    assert mldeploy(folder, "host", "check", "rig").exit_code == 0


def test_rules_that_lock_people_out_are_taken_back(folder: Path, rig: Rig) -> None:
    """As a set-up that cannot come in anew leaves them: the timer runs out, here at once."""
    shut = (
        "table inet mldeploy; delete table inet mldeploy; "
        "table inet mldeploy { chain input { type filter hook input priority 0; policy drop; }; }"
    )
    rig.vm.exec("sh", "-c", f"echo '{shut}' > /tmp/shut.nft")
    rig.vm.exec(*system.try_firewall("/tmp/shut.nft", "mldeploy"))
    with pytest.raises(OSError, match="timed out"):
        socket.create_connection((rig.vm.address, rig.vm.ssh_port), timeout=1).recv(4)
    gone = "while nft list table inet mldeploy >/dev/null 2>&1; do sleep 0.1; done"
    rig.vm.exec("timeout", "30", "sh", "-c", f"systemctl start mldeploy-firewall-trial.service; {gone}")
    with connect("rig", load_config(folder / "mldeploy.toml")):
        pass
    assert mldeploy(folder, "host", "setup", "rig", "--json").outcome == ["a firewall that leaves SSH (22), 80 and 443"]


def test_a_caddy_of_another_image_is_noticed(folder: Path, rig: Rig) -> None:
    rig.vm.exec("sh", "-c", "cp /var/lib/mldeploy/caddy/image /tmp/image; echo other > /var/lib/mldeploy/caddy/image")
    checked = mldeploy(folder, "host", "check", "rig")
    rig.vm.exec("cp", "/tmp/image", "/var/lib/mldeploy/caddy/image")
    assert checked.exit_code == 1
    assert "was recorded when the host was set up" in checked.stderr


def test_the_user_data_is_what_cloud_init_takes(folder: Path, rig: Rig) -> None:
    key = rig.identity.with_name("id_ed25519.pub")
    data = mldeploy(folder, "host", "cloud-init", "--key", str(key)).stdout
    (folder / "user-data").write_text(data)
    rig.vm.exec("sh", "-c", "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends cloud-init")
    rig.vm.exec("sh", "-c", f"cat > /tmp/user-data <<'END'\n{data}END")
    assert "Valid schema" in rig.vm.exec("cloud-init", "schema", "--config-file", "/tmp/user-data")
