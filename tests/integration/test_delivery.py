"""Images that come to a real VM without a registry, and how many bytes that takes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from mldeploy.config import Config, load_config
from mldeploy.host.commands import docker
from mldeploy.host.ssh import connect
from mldeploy.release.delivery import ThroughConnection
from tests.integration.bundles import linear_bundle
from tests.integration.site import FIRST, HTTP_ONLY, SECOND, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig import Rig, Vm

MODEL_OVERHEAD = 64 * 1024


@pytest.fixture(scope="module")
def site(rig: Rig, bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A bare VM, and a folder to ship from whose settings name no registry."""
    rig.vm.reset()
    folder = tmp_path_factory.mktemp("site")
    lines = rig.config.read_text().splitlines(keepends=True)
    settings = "".join(line for line in lines if not line.startswith("registry"))
    (folder / "mldeploy.toml").write_text(settings + HTTP_ONLY)
    site = Site(folder, rig, bundles)
    assert site.ship(FIRST)["release"] == "r1"
    return site


@pytest.fixture(params=["forwarded", "streamed"])
def way(request: pytest.FixtureRequest, site: Site) -> Iterator[str]:
    """Both ways: through a forwarded port, and where sshd forbids to forward."""
    if request.param == "forwarded":
        yield request.param
        return
    with forwarding_forbidden(site.rig.vm):
        yield request.param


@contextmanager
def forwarding_forbidden(vm: Vm) -> Iterator[None]:
    setting = "/etc/ssh/sshd_config.d/no-forwarding.conf"
    vm.exec("sh", "-c", f"echo 'AllowTcpForwarding no' > {setting} && systemctl reload ssh")
    try:
        yield
    finally:
        vm.exec("sh", "-c", f"rm {setting} && systemctl reload ssh")


def test_a_release_ships_without_a_registry(site: Site, way: str) -> None:
    version = SECOND if way == "forwarded" else FIRST
    shipped = site.ship(version)
    assert site.serving() == (shipped["release"], version)
    back = site.rollback()
    assert site.serving()[0] == back["release"] == shipped["previous"]


def received(vm: Vm) -> int:
    return int(vm.exec("cat", "/sys/class/net/eth0/statistics/rx_bytes"))


def deliver(site: Site, config: Config, folder: Path, weight: float) -> tuple[str, int, int]:
    """The image's reference on the VM, the bytes of its own layer, and those that the VM received for it."""
    delivery = ThroughConnection(linear_bundle(folder, name="moved", weight=weight), config, "linux/amd64")
    for step in delivery.steps():
        step.do()
    assert delivery.image
    with connect("rig", config) as ssh:
        before = received(site.rig.vm)
        delivery.fetch(ssh)
        after = received(site.rig.vm)
        reference = delivery.reference(ssh)
        assert ssh.run(docker.has_image(reference)).stdout == reference
        assert delivery.fetch(ssh) == "it was there"
    return reference, delivery.image.composition.layers[-1].size, after - before


def test_a_second_version_moves_its_model_and_little_more(site: Site, way: str, tmp_path: Path) -> None:
    config = load_config(site.folder / "mldeploy.toml")
    first, *_ = deliver(site, config, tmp_path, 1.0 if way == "forwarded" else 3.0)
    second, layer, bytes_received = deliver(site, config, tmp_path, 2.0 if way == "forwarded" else 4.0)
    assert first != second
    assert layer < bytes_received < layer + MODEL_OVERHEAD


def test_nothing_of_the_way_is_left_on_the_host(site: Site) -> None:
    names = site.rig.vm.exec("docker", "image", "ls", "--format", "{{.Repository}}").split()
    assert not [name for name in names if "127.0.0.1" in name]
