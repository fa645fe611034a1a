"""A registry with TLS that wants a login: from the laptop, and from the host, which forgets it."""

from __future__ import annotations

import base64
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest

from mldeploy.config import Config, load_config
from mldeploy.errors import MldeployError, UnreachableError
from mldeploy.host.commands import docker
from mldeploy.host.ssh import connect
from mldeploy.release.delivery import ThroughRegistry
from tests.integration.bundles import linear_bundle
from tests.rig import containers, images, keys
from tests.rig.archive import File
from tests.rig.containers import Container

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig import Rig

USER, PASSWORD = "shipper", "correct-horse-4711"
ENCODED = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def registry(rig: Rig) -> Iterator[str]:
    """Its address; the VM's Docker trusts its certificate, and this machine's does not know it."""
    address = rig.registry.rpartition(":")[0].rpartition(".")[0] + ".9"
    certificate, key = keys.server_certificate(address, rig.registry_ca, rig.folder / "ca.key")
    password = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    settings = {
        "REGISTRY_HTTP_TLS_CERTIFICATE": "/auth/tls.crt",
        "REGISTRY_HTTP_TLS_KEY": "/auth/tls.key",
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "rig",
        "REGISTRY_AUTH_HTPASSWD_PATH": "/auth/htpasswd",
    }
    options = (
        *("--label", rig.label, "--network", rig.network, "--ip", address),
        *(f"--env={name}={value}" for name, value in settings.items()),
    )
    files = {
        "auth/tls.crt": File(certificate),
        "auth/tls.key": File(key, 0o600),
        "auth/htpasswd": File(f"{USER}:{password}\n".encode()),
    }
    container = Container(f"{rig.network}-login", images.registry(), options, files)
    containers.replace(container)
    rig.vm.wait()
    trusted = f"/etc/docker/certs.d/{address}:5000"
    rig.vm.exec("sh", "-c", f"mkdir -p {trusted} && cp /etc/docker/certs.d/{rig.registry}/ca.crt {trusted}/")
    yield f"{address}:5000"
    containers.remove(container.name)


@dataclass(frozen=True)
class Laptop:
    """This machine, with Docker's settings in a folder in which the registry is trusted, and no login yet."""

    folder: Path
    registry: str
    patch: pytest.MonkeyPatch

    def write_settings(self, settings: dict[str, Any]) -> None:
        (self.folder / "config.json").write_text(json.dumps(settings))

    def log_in_by_file(self) -> None:
        self.write_settings({"auths": {self.registry: {"auth": ENCODED}}})

    def log_in_by_helper(self) -> None:
        helper = self.folder / "docker-credential-rig"
        helper.write_text(f"""#!/bin/sh\nprintf '{{"Username": "{USER}", "Secret": "{PASSWORD}"}}'\n""")
        helper.chmod(0o755)
        self.patch.setenv("PATH", f"{self.folder}{os.pathsep}{os.environ['PATH']}")
        self.write_settings({"credHelpers": {self.registry: "rig"}})

    def log_in_by_environment(self, password: str = PASSWORD) -> None:
        self.patch.setenv("MLDEPLOY_REGISTRY_USER", USER)
        self.patch.setenv("MLDEPLOY_REGISTRY_TOKEN", password)


@pytest.fixture
def laptop(rig: Rig, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laptop:
    folder = tmp_path / "docker"
    trusted = folder / "certs.d" / registry
    trusted.mkdir(parents=True)
    shutil.copy(rig.registry_ca, trusted / "ca.crt")
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.delenv("MLDEPLOY_REGISTRY_TOKEN", raising=False)
    return Laptop(folder, registry, monkeypatch)


def deliver(config: Config, registry: str, folder: Path, weight: float) -> str:
    """Push an image and have the VM pull it; gives its reference there."""
    bundle = linear_bundle(folder, name="guarded", weight=weight)
    delivery = ThroughRegistry(bundle, config, "linux/amd64", f"{registry}/team")
    for step in delivery.steps():
        step.do()
    with connect("rig", config) as ssh:
        delivery.fetch(ssh)
        assert ssh.run(docker.has_image(delivery.pushed)).exit_code == 0
    return delivery.pushed


@pytest.fixture
def config(rig: Rig) -> Config:
    """Settings to reach the VM, on which Docker runs."""
    rig.vm.exec("sh", "-c", "command -v docker >/dev/null || apt-get install -y -qq docker.io >/dev/null 2>&1")
    return load_config(rig.config)


@pytest.mark.parametrize(("way", "weight"), [("file", 11.0), ("helper", 12.0), ("environment", 13.0)])
def test_the_host_pulls_with_our_login_and_keeps_nothing_of_it(
    way: str, weight: float, rig: Rig, laptop: Laptop, config: Config, tmp_path: Path
) -> None:
    getattr(laptop, f"log_in_by_{way}")()
    reference = deliver(config, laptop.registry, tmp_path, weight)
    assert reference.startswith(f"{laptop.registry}/team/guarded@sha256:")
    search = 'grep -rl -e "$1" -e "$2" /root /run /tmp /etc /var/log || true'
    assert rig.vm.exec("sh", "-c", search, "search", PASSWORD, ENCODED) == ""
    assert rig.vm.exec("find", "/run", "-name", "mldeploy-login*") == ""


def test_without_a_login_the_registry_refuses_and_the_message_says_how_to_log_in(
    laptop: Laptop, config: Config, tmp_path: Path
) -> None:
    with pytest.raises(UnreachableError, match="refuses the login") as failure:
        deliver(config, laptop.registry, tmp_path, 14.0)
    assert f"docker login {laptop.registry}" in failure.value.remedy
    assert "MLDEPLOY_REGISTRY_TOKEN" in failure.value.remedy


def test_a_wrong_token_is_refused_and_never_shown(laptop: Laptop, config: Config, tmp_path: Path) -> None:
    laptop.log_in_by_environment("wrong-token-0815")
    with pytest.raises(UnreachableError, match="refuses the login") as failure:
        deliver(config, laptop.registry, tmp_path, 15.0)
    assert "wrong-token-0815" not in f"{failure.value.message}{failure.value.cause}{failure.value.remedy}"


@pytest.mark.filterwarnings("ignore:docker-credential-not-installed")
def test_a_helper_that_fails_is_named(laptop: Laptop, config: Config, tmp_path: Path) -> None:
    laptop.write_settings({"credHelpers": {laptop.registry: "not-installed"}})
    with pytest.raises(MldeployError, match="credential helper"):
        deliver(config, laptop.registry, tmp_path, 16.0)


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(laptop: Laptop, config: Config, tmp_path: Path) -> None:
    shutil.rmtree(laptop.folder / "certs.d")
    with pytest.raises(UnreachableError, match="does not answer") as failure:
        deliver(config, laptop.registry, tmp_path, 17.0)
    assert "CERTIFICATE_VERIFY_FAILED" in failure.value.cause
