"""Containers of the rig: reused while they run as they were meant to, else made anew."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.rig.archive import pack
from tests.rig.engine import docker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.rig.archive import File

SPEC_LABEL = "mldeploy.rig.spec"


@dataclass(frozen=True)
class Container:
    """How a container is made: `options` of `docker create`, and `files` put into it before its first start."""

    name: str
    image: str
    options: tuple[str, ...]
    files: Mapping[str, File]

    @property
    def spec(self) -> str:
        """A digest of all that the container is made of."""
        parts = json.dumps([self.image, self.options]).encode() + pack(self.files)
        return hashlib.sha256(parts).hexdigest()[:16]


def is_running(container: Container) -> bool:
    """Whether it runs, made of exactly these parts."""
    found = docker(
        "ps", "--quiet", "--filter", f"name=^{container.name}$", "--filter", f"label={SPEC_LABEL}={container.spec}"
    )
    return bool(found)


def replace(container: Container) -> None:
    """Start it anew, with nothing left of the one before it."""
    remove(container.name)
    labels = ("--label", f"{SPEC_LABEL}={container.spec}")
    docker("create", "--name", container.name, *labels, *container.options, container.image)
    docker("cp", "-", f"{container.name}:/", stdin=pack(container.files))
    docker("start", container.name)


def remove(name: str) -> None:
    docker("rm", "--force", "--volumes", name)
