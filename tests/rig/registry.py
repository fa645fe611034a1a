"""The registry: with TLS, under one name for this machine's Docker and the VM's, and a mirror of the base images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.rig import containers, images, keys
from tests.rig.archive import File
from tests.rig.containers import Container
from tests.rig.engine import docker
from tests.rig.shell import as_root, run

if TYPE_CHECKING:
    from tests.rig.names import Names

PORT = 5000
CERTIFICATE = "etc/docker/registry/tls.crt"
KEY = "etc/docker/registry/tls.key"
TRUSTED = Path("/etc/docker/certs.d")


def ensure(names: Names, address: str, folder: Path) -> str:
    """Answer `address`:port of a registry that runs, is trusted by this machine's Docker, and has the base images."""
    registry = f"{address}:{PORT}"
    container = _container(names, address, folder)
    if not containers.is_running(container):
        containers.replace(container)
    _trust(registry, folder / "ca.crt")
    for image, name in ((images.caddy(), images.CADDY), (images.python(), images.PYTHON)):
        _push(image, f"{registry}/library/{name}")
    return registry


def distrust(registry: str) -> None:
    """Take back what `ensure` told this machine's Docker."""
    folder = TRUSTED / registry
    if folder.exists():
        run(*as_root("rm", "--recursive", str(folder)))


def _container(names: Names, address: str, folder: Path) -> Container:
    certificate, key = _certificate(address, folder)
    options = (
        *("--label", names.label, "--network", names.network, "--ip", address),
        *("--env", f"REGISTRY_HTTP_TLS_CERTIFICATE=/{CERTIFICATE}", "--env", f"REGISTRY_HTTP_TLS_KEY=/{KEY}"),
    )
    files = {CERTIFICATE: File(certificate), KEY: File(key, 0o600)}
    return Container(names.registry, images.registry(), options, files)


def _certificate(address: str, folder: Path) -> tuple[bytes, bytes]:
    certificate, key = folder / f"registry-{address}.crt", folder / f"registry-{address}.key"
    if not certificate.exists():
        made = keys.server_certificate(address, folder / "ca.crt", folder / "ca.key")
        keys.write_secret(key, made[1])
        certificate.write_bytes(made[0])
    return certificate.read_bytes(), key.read_bytes()


def _trust(registry: str, authority: Path) -> None:
    trusted = TRUSTED / registry / "ca.crt"
    if not trusted.exists() or trusted.read_bytes() != authority.read_bytes():
        run(*as_root("install", "-D", "--mode=644", str(authority), str(trusted)))


def _push(image: str, name: str) -> None:
    docker("tag", image, name)
    try:
        docker("push", "--quiet", name)
    finally:
        docker("rmi", name)
