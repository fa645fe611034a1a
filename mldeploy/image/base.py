"""The base image: found or pulled for the target's platform, and read as a file tree without running it."""

from __future__ import annotations

import re
import tarfile
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker.errors import APIError, ImageNotFound

from mldeploy.errors import MldeployError, UnreachableError
from mldeploy.image.engine import explained
from mldeploy.image.tree import Tree, tree_of_tar

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True)
class Base:
    """A base image in the Engine: the name it was asked by, its id, and its platform such as linux/amd64."""

    name: str
    id: str
    platform: str


def find_base(engine: DockerClient, name: str, platform: str) -> Base:
    """The base image for `platform`, pulled when the Engine has none.

    Raises UnreachableError when it has to be pulled and cannot be.
    """
    return _local(engine, name, platform) or _pull(engine, name, platform)


def read_base(engine: DockerClient, base: Base) -> Tree:
    """The file tree of `base`. A container is created to read from, and is never started."""
    with explained(f"read the base image {base.name}"):
        container = engine.api.create_container(base.id, command=["none"])["Id"]
        try:
            with tempfile.TemporaryFile() as file:
                for chunk in engine.api.export(container):
                    file.write(chunk)
                file.seek(0)
                with tarfile.open(fileobj=file) as archive:
                    return tree_of_tar(archive)
        finally:
            engine.api.remove_container(container, force=True)


def python_version(tree: Tree) -> str:
    """The base's Python such as `3.13`, read from its standard library's folder."""
    found = {match[1] for name in tree if (match := re.fullmatch(r"usr/(?:local/)?lib/python(3\.\d+)/os\.py", name))}
    if len(found) != 1:
        raise MldeployError(
            "the base image cannot be used",
            cause="it holds no Python" if not found else f"it holds several Pythons: {', '.join(sorted(found))}",
            remedy="Set image.base in mldeploy.toml to an image with one Python, such as python:3.13-slim.",
        )
    return found.pop()


def _local(engine: DockerClient, name: str, platform: str) -> Base | None:
    try:
        image = engine.images.get(name)
    except ImageNotFound:
        return None
    found = f"{image.attrs['Os']}/{image.attrs['Architecture']}"
    return Base(name, str(image.id), platform) if found == platform else None


def _pull(engine: DockerClient, name: str, platform: str) -> Base:
    try:
        engine.images.pull(name, platform=platform)
    except APIError as failure:
        raise UnreachableError(
            f"the base image {name} cannot be pulled for {platform}",
            cause=str(failure.explanation or failure),
            remedy="Check the network and `docker pull`, or name an image that you have: image.base in mldeploy.toml.",
        ) from failure
    if base := _local(engine, name, platform):
        return base
    raise MldeployError(
        f"the base image {name} is not made for {platform}",
        remedy="Set image.base in mldeploy.toml to one that is, such as python:3.13-slim.",
    )
