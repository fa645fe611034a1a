"""What an image in the Engine says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docker.errors import ImageNotFound

from mldeploy.errors import UsageError
from mldeploy.image.engine import connect, explained
from mldeploy.image.labels import BUNDLE_ID, MLDEPLOY_VERSION, REVISION, TITLE, VERSION

if TYPE_CHECKING:
    from docker import DockerClient


@dataclass(frozen=True)
class ImageFacts:
    """`size` is in bytes, unpacked; `digests` are what registries know it by; `commit` is empty outside of git."""

    id: str
    name: str
    version: str
    bundle_id: str
    mldeploy_version: str
    commit: str
    platform: str
    size: int
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    layers: tuple[str, ...]


def inspect_image(reference: str) -> ImageFacts:
    """The facts of an image that mldeploy built.

    Raises UsageError when the Engine has no such image or another tool made it, UnreachableError without Docker.
    """
    with explained(f"look at {reference}"):
        attributes = _attributes(connect(), reference)
    labels = attributes["Config"].get("Labels") or {}
    if BUNDLE_ID not in labels:
        raise UsageError(f"{reference} was not built by mldeploy", cause=f"it has no label {BUNDLE_ID}")
    return ImageFacts(
        id=attributes["Id"],
        name=labels[TITLE],
        version=labels[VERSION],
        bundle_id=labels[BUNDLE_ID],
        mldeploy_version=labels[MLDEPLOY_VERSION],
        commit=labels.get(REVISION, ""),
        platform=f"{attributes['Os']}/{attributes['Architecture']}",
        size=attributes["Size"],
        tags=tuple(attributes["RepoTags"]),
        digests=tuple(attributes["RepoDigests"]),
        layers=tuple(attributes["RootFS"]["Layers"]),
    )


def _attributes(engine: DockerClient, reference: str) -> dict[str, Any]:
    try:
        return dict(engine.images.get(reference).attrs)
    except ImageNotFound as failure:
        raise UsageError(
            f"there is no bundle and no image {reference}", remedy="`docker image ls` shows the images that are here."
        ) from failure
