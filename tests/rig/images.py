"""The rig's images: the real ones where they can be pulled, else stand-ins made of Debian packages."""

from __future__ import annotations

import functools
import hashlib
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy import console
from tests.rig import apt, debian
from tests.rig.archive import File, pack
from tests.rig.engine import docker
from tests.rig.shell import RigError

if TYPE_CHECKING:
    from collections.abc import Mapping

RECIPES = Path(__file__).parent / "images"
REPOSITORY = "mldeploy-rig"
DEBIAN = f"{REPOSITORY}/debian:trixie"
PYTHON = "python:3.13-slim"
CADDY = "caddy:2"
REGISTRY = "registry:2"
STAGE_LABEL = "mldeploy.rig.stage"
PULL_TIMEOUT_S = 300
BUILD_TIMEOUT_S = 900
NEEDED_BYTES = 6_000_000_000


def python() -> str:
    """The base image of the product's runtime, under its real name."""
    image = _real_or_stand_in(PYTHON, "python")
    if image != PYTHON:
        docker("tag", image, PYTHON)
    return PYTHON


def caddy() -> str:
    return _real_or_stand_in(CADDY, "caddy")


def registry() -> str:
    return _real_or_stand_in(REGISTRY, "registry")


def arm64(folder: Path) -> tuple[Path, Path]:
    """A Debian with Python for arm64, as a tar archive, and a program for this machine that runs programs of arm64."""
    container = docker("create", _build("arm64", trixie(), {}), "none")
    try:
        docker("cp", f"{container}:/arm64.tar", str(folder))
        docker("cp", f"{container}:/qemu-aarch64", str(folder))
    finally:
        docker("rm", container)
    return folder / "arm64.tar", folder / "qemu-aarch64"


def vm() -> str:
    return _build("vm", trixie(), {"own-cgroups": _own_cgroups()})


def bare() -> str:
    """A machine with nothing but make and python3, to prove the bootstrap on."""
    return _build("bare", trixie(), {"own-cgroups": _own_cgroups()})


@functools.cache
def trixie() -> str:
    """A bare Debian that installs packages from where this machine does."""
    settings = apt.read()
    if not exists(DEBIAN):
        _check_space()
        if _hub_answers():
            docker("tag", "debian:trixie", DEBIAN)
        else:
            console.note("making a minimal Debian trixie (about half a minute)")
            debian.bootstrap(DEBIAN, settings)
            console.step(f"{DEBIAN} made")
    return _build("trixie", DEBIAN, settings.files())


def exists(image: str) -> bool:
    return bool(docker("images", "--quiet", image))


def remove() -> None:
    """Remove what this module built, and the real name given to a stand-in. What others use stays."""
    tags = docker("images", "--filter", f"reference={REPOSITORY}/*", "--format", "{{.Repository}}:{{.Tag}}").split()
    if _is_stand_in(PYTHON, "python"):
        tags.append(PYTHON)
    for tag in tags:
        with suppress(RigError):
            docker("rmi", tag)


def _real_or_stand_in(image: str, recipe: str) -> str:
    if exists(image) and not _is_stand_in(image, recipe):
        return image
    if not exists(_tag(recipe, trixie(), {})) and _hub_answers() and _pull(image):
        return image
    return _build(recipe, trixie(), {})


def _is_stand_in(image: str, recipe: str) -> bool:
    """Whether the real name is one that we gave."""
    ours = docker("images", "--quiet", f"{REPOSITORY}/{recipe}").split()
    return docker("images", "--quiet", image) in ours


@functools.cache
def _hub_answers() -> bool:
    """Whether real images can be pulled; asked once, because a refusal may take a while."""
    return _pull("debian:trixie")


def _pull(image: str) -> bool:
    try:
        docker("pull", "--quiet", image, timeout=PULL_TIMEOUT_S)
    except RigError as failure:
        console.note(f"{image} cannot be pulled, so Debian packages stand in for it: {failure.cause}")
        return False
    console.step(f"{image} pulled")
    return True


def _build(name: str, base: str, files: Mapping[str, File]) -> str:
    """Build a recipe once a machine: its tag is made of all that goes into it."""
    tag = _tag(name, base, files)
    if not exists(tag):
        _check_space()
        console.note(f"building {tag}")
        context = _context(name, files)
        docker("build", "--tag", tag, "--build-arg", f"BASE={base}", "-", stdin=context, timeout=BUILD_TIMEOUT_S)
        docker("image", "prune", "--force", "--filter", f"label={STAGE_LABEL}")
        console.step(f"{tag} built")
    return tag


def _tag(name: str, base: str, files: Mapping[str, File]) -> str:
    digest = hashlib.sha256(base.encode() + _context(name, files)).hexdigest()
    return f"{REPOSITORY}/{name}:{digest[:12]}"


def _context(name: str, files: Mapping[str, File]) -> bytes:
    recipe = {path.name: File(path.read_bytes()) for path in (RECIPES / name).iterdir()}
    return pack({**recipe, **files})


def _own_cgroups() -> File:
    return File((RECIPES / "own-cgroups").read_bytes(), 0o755)


def _check_space() -> None:
    folder = Path(docker("info", "--format", "{{.DockerRootDir}}"))
    free = shutil.disk_usage(folder).free if folder.exists() else NEEDED_BYTES
    if free < NEEDED_BYTES:
        raise RigError(
            f"the rig needs {NEEDED_BYTES / 1e9:.0f} GB of disk",
            cause=f"{folder} has {free / 1e9:.1f} GB free",
            remedy="Make room there; `docker system df` shows what Docker itself holds.",
        )
