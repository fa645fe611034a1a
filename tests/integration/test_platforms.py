"""Images for another architecture: built without running anything of it, proven under emulation."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from mldeploy.config import ImageConfig
from mldeploy.image import Image, build_image
from mldeploy.image.engine import connect, native_platform
from tests.integration.bases import publish_base
from tests.integration.bundles import ROWS, linear_bundle
from tests.rig import images
from tests.rig.engine import docker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig import Rig

AARCH64 = (183).to_bytes(2, "little")
"""How the ELF format calls the architecture."""
PYTHON = "/usr/bin/python3"
SERVER = (PYTHON, "-m", "mldeploy_runtime")
UNPACKED_LIMIT = 140e6
COMPRESSED_LIMIT = 50e6


@dataclass(frozen=True)
class Foreign:
    """An image for an architecture that is not this machine's, and a program that runs it here."""

    image: Image
    emulator: Path


@pytest.fixture(scope="module")
def foreign(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    if native_platform(connect()) != "linux/amd64":
        pytest.skip("the foreign architecture is this machine's own")
    folder = tmp_path_factory.mktemp("foreign")
    root, emulator = images.arm64(folder)
    base = publish_base(rig, root, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        image = build_image(linear_bundle(folder, name="foreign"), ImageConfig(base=base), "linux/arm64")
        yield Foreign(image, emulator)
    docker("rmi", "--force", image.reference, base)


def programs(image: Image) -> Iterator[tuple[str, bytes]]:
    """The names and first bytes of the programs and libraries in an image."""
    for layer in image.composition.layers:
        with tarfile.open(layer.path) as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file and (start := file.read(20)).startswith(b"\x7fELF"):
                    yield member.name, start


def test_an_image_for_arm64_holds_programs_for_arm64_alone(foreign: Foreign) -> None:
    assert connect().images.get(foreign.image.id).attrs["Architecture"] == "arm64"
    found = dict(programs(foreign.image))
    assert {start[18:20] for start in found.values()} == {AARCH64}
    assert "usr/bin/python3.13" in found
    assert any("onnxruntime_pybind11_state" in name for name in found)
    assert foreign.image.size < UNPACKED_LIMIT
    assert foreign.image.composition.size < COMPRESSED_LIMIT


def test_an_image_for_arm64_answers_its_golden_rows_under_emulation(foreign: Foreign) -> None:
    assert foreign.image.golden_rows is None  # nothing of it ran while it was built
    container = docker(
        *("run", "--detach", "--platform", foreign.image.platform, "--network", "none", "--read-only"),
        *("--tmpfs", "/run/mldeploy:uid=10001,gid=10001,mode=700", "--tmpfs", "/tmp"),
        # The kernel would not run the programs of further workers: only this process is emulated.
        *("--env", "MLDEPLOY_WORKERS=1"),
        *("--volume", f"{foreign.emulator}:/qemu:ro", "--entrypoint", "/qemu", foreign.image.id, *SERVER),
    )
    try:
        control = ("exec", container, "/qemu", PYTHON, "-m", "mldeploy_runtime.control")
        ready = json.loads(docker(*control, "wait-ready", "--timeout", "200"))
        assert ready["ready"], ready
        answered = json.loads(docker(*control, "golden"))
        assert (answered["rows"], answered["mismatches"]) == (len(ROWS), 0)
    finally:
        docker("rm", "--force", container)
