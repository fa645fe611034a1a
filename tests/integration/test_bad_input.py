"""What cannot work ends in one clear message and its exit code, and changes nothing."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration.command import Ended, mldeploy

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rig import Rig


@pytest.fixture
def folder(rig: Rig, tmp_path: Path) -> Path:
    """A work folder with the rig's settings."""
    shutil.copy(rig.config, tmp_path / "mldeploy.toml")
    return tmp_path


@pytest.fixture
def bundle(bundles: dict[str, Path]) -> str:
    return str(bundles["1.0.0"])


def change(folder: Path, before: str, after: str) -> None:
    settings = (folder / "mldeploy.toml").read_text()
    assert before in settings
    (folder / "mldeploy.toml").write_text(settings.replace(before, after))


def says(ended: Ended, exit_code: int, *words: str) -> None:
    """The exit code is this, and the message has these words, a cause and a remedy."""
    assert ended.exit_code == exit_code, ended.stderr
    for word in (*words, "why", "do "):
        assert word in ended.stderr


def test_a_host_that_does_not_exist(folder: Path, bundle: str) -> None:
    says(mldeploy(folder, "ship", bundle, "--host", "nowhere.invalid"), 5, "there is no host 'nowhere.invalid'")


def test_a_host_whose_port_is_closed(folder: Path, bundle: str, rig: Rig) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        change(folder, f"port = {rig.vm.ssh_port}", f"port = {free.getsockname()[1]}")
        says(mldeploy(folder, "ship", bundle), 5, "does not answer")


def test_a_host_that_refuses_the_key(folder: Path, bundle: str, rig: Rig) -> None:
    stranger = folder / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger)], check=True)
    change(folder, str(rig.identity), str(stranger))
    says(mldeploy(folder, "ship", bundle), 5, "refuses our key")


def test_a_host_that_is_not_known_yet(folder: Path, bundle: str, rig: Rig) -> None:
    (folder / "nobody").touch()
    change(folder, str(rig.known_hosts), str(folder / "nobody"))
    says(mldeploy(folder, "ship", bundle), 5, "is not known yet")


def test_a_host_whose_key_has_changed(folder: Path, bundle: str, rig: Rig) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "other")], check=True)
    name = rig.known_hosts.read_text().split()[0]
    kind, key = (folder / "other.pub").read_text().split()[:2]
    (folder / "changed").write_text(f"{name} {kind} {key}\n")
    change(folder, str(rig.known_hosts), str(folder / "changed"))
    says(mldeploy(folder, "ship", bundle), 5, "has changed", "SHA256:")


def test_a_registry_that_does_not_answer(folder: Path, bundle: str, rig: Rig) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        change(folder, rig.registry, f"127.0.0.1:{free.getsockname()[1]}")
        says(mldeploy(folder, "ship", bundle), 5, "registry")


def test_a_setting_that_does_not_exist(folder: Path, bundle: str) -> None:
    with (folder / "mldeploy.toml").open("a") as file:
        file.write('\n[app]\nmemroy = "1g"\n')
    says(mldeploy(folder, "ship", bundle), 2, "app.memroy: there is no such key")


def test_no_bundle(folder: Path) -> None:
    ended = mldeploy(folder, "ship")
    assert ended.exit_code == 2
    assert "there is no bundle" in ended.stderr


def test_a_bundle_whose_golden_rows_are_answered_otherwise_is_not_shipped(folder: Path, bundle: str) -> None:
    wrong = folder / "wrong"
    shutil.copytree(bundle, wrong)
    golden = json.loads((wrong / "golden.json").read_text())
    golden["predictions"].reverse()
    (wrong / "golden.json").write_text(json.dumps(golden))
    ended = mldeploy(folder, "ship", str(wrong))
    assert ended.exit_code == 3, ended.stderr
    assert "golden rows" in ended.stderr


def test_a_disk_without_room(folder: Path, bundle: str, rig: Rig) -> None:
    rig.vm.exec("mkdir", "-p", "/var/lib/mldeploy")
    rig.vm.exec("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", "/var/lib/mldeploy")
    try:
        says(mldeploy(folder, "ship", bundle), 1, "the disk of rig is full")
    finally:
        rig.vm.exec("umount", "/var/lib/mldeploy")


def test_an_app_that_was_never_shipped_has_nothing_to_roll_back_to(folder: Path) -> None:
    says(mldeploy(folder, "rollback", "--app", "never"), 2, "there is no app 'never'")


def test_no_docker_on_the_laptop_keeps_the_bundle(
    bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = bundles["1.0.0"].parents[1]
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-docker.sock")
    model = next(iter(sorted(source.glob("*.joblib"))))
    ended = mldeploy(tmp_path, "package", str(model), "--sample", str(source / "penguins.parquet"))
    says(ended, 5, "Docker")
    assert list((tmp_path / "build").glob("*/model.onnx"))
