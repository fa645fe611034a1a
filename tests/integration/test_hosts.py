"""Several hosts at once: all switch, or all go on serving what they served."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.command import mldeploy
from tests.integration.site import APP, FIRST, HTTP_ONLY, SECOND
from tests.rig import second_vm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig import Rig, Vm

BOTH = ("--host", "rig", "--host", "rig-2", "--watch", "1")


@pytest.fixture(scope="module")
def machines(rig: Rig) -> Iterator[tuple[Vm, Vm]]:
    rig.vm.reset()
    with second_vm(rig) as second:
        yield rig.vm, second


@pytest.fixture(scope="module")
def folder(
    rig: Rig, machines: tuple[Vm, Vm], bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder to ship from, after the first version was shipped to both bare machines."""
    folder = tmp_path_factory.mktemp("hosts")
    shutil.copy(rig.config, folder / "mldeploy.toml")
    with (folder / "mldeploy.toml").open("a") as config:
        config.write(f"\n{HTTP_ONLY}")
    ended = mldeploy(folder, "ship", str(bundles[FIRST]), *BOTH, "--json")
    assert {outcome["host"] for outcome in ended.outcome} == {"rig", "rig-2"}
    assert versions(machines) == [FIRST, FIRST]
    return folder


def versions(machines: tuple[Vm, Vm]) -> list[str]:
    return [httpx.get(f"{vm.url}/health", timeout=10).raise_for_status().json()["version"] for vm in machines]


def running(vm: Vm) -> list[str]:
    return vm.exec("docker", "ps", "--filter", f"label=mldeploy.app={APP}", "--format", "{{.Names}}").split()


def test_a_host_that_cannot_prove_the_release_keeps_all_from_switching(
    folder: Path, machines: tuple[Vm, Vm], bundles: dict[str, Path]
) -> None:
    before = [running(vm) for vm in machines]
    # The second machine has something else by the name of the release's container.
    machines[1].exec("docker", "create", "--name", f"{APP}-r2", "caddy:2")
    ended = mldeploy(folder, "ship", str(bundles[SECOND]), *BOTH)
    assert ended.exit_code == 1
    assert "2 of 2 hosts failed" in ended.stderr
    assert "another host failed" in ended.stderr
    assert versions(machines) == [FIRST, FIRST]
    assert [running(vm) for vm in machines] == before


def test_all_switch_together_and_roll_back_together(
    folder: Path, machines: tuple[Vm, Vm], bundles: dict[str, Path]
) -> None:
    shipped = mldeploy(folder, "ship", str(bundles[SECOND]), *BOTH, "--json").outcome
    assert len(shipped) == 2
    assert versions(machines) == [SECOND, SECOND]
    back = mldeploy(folder, "rollback", *BOTH)
    assert back.exit_code == 0, back.stderr
    assert back.stderr.count("serves on") == 2
    assert versions(machines) == [FIRST, FIRST]
