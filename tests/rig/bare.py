"""Run a command on a machine that nobody prepared, to prove that the checkout needs nothing else."""

from __future__ import annotations

import os
import subprocess

from mldeploy import console
from tests.rig import containers, engine, images, machine
from tests.rig.apt import CA_BUNDLE
from tests.rig.archive import File
from tests.rig.containers import Container
from tests.rig.engine import docker
from tests.rig.names import names_of
from tests.rig.rig import CHECKOUT, FOLDER

CERTIFICATES = "usr/local/share/machine-ca.crt"
# How pip, uv and their libraries are told whom to trust, and where this machine's packages come from.
CERTIFICATE_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
SHARED_VARIABLES = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def run(command: str, *, keep: bool) -> int:
    """Run `command` in a committed copy of the checkout in a bare container; answer its exit code.

    With `keep` the container stays for the next call, with all that this one installed.
    """
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    engine.ensure(FOLDER)
    container = _container()
    if not containers.is_running(container):
        containers.replace(container)
    try:
        checkout = subprocess.run(["git", "archive", "HEAD"], cwd=CHECKOUT, capture_output=True, check=True).stdout
        docker("exec", container.name, "mkdir", "--parents", "/src")
        docker("cp", "-", f"{container.name}:/src", stdin=checkout)
        console.note(f"on a bare machine ({container.name}): {command}")
        return subprocess.run(
            ["docker", "exec", "--workdir", "/src", container.name, "sh", "-c", command], check=False
        ).returncode
    finally:
        if not keep:
            containers.remove(container.name)


def _container() -> Container:
    names = names_of(CHECKOUT)
    variables = {name: os.environ[name] for name in SHARED_VARIABLES if name in os.environ}
    files = {}
    if CA_BUNDLE.exists():
        files[CERTIFICATES] = File(CA_BUNDLE.read_bytes())
        variables |= dict.fromkeys(CERTIFICATE_VARIABLES, f"/{CERTIFICATES}")
    options = (
        *("--label", names.label),
        *(f"--env={name}={value}" for name, value in variables.items()),
        *machine.options(),
    )
    return Container(f"{names.prefix}-bare", images.bare(), options, files)
