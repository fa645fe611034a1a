"""Keep what a rollback needs, remove the rest. Never the reason for a failed release."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError
from mldeploy.host.commands import docker

if TYPE_CHECKING:
    from mldeploy.host.executor import Executor
    from mldeploy.release.state import AppState

KEEP_SERVED = 5


def kept_releases(served: tuple[str, ...]) -> frozenset[str]:
    """The releases a rollback can reach: the last ones that served, the present one among them."""
    return frozenset(served[-KEEP_SERVED:])


def clean(executor: Executor, state: AppState) -> None:
    """Remove stopped containers and images of releases that are not kept.

    Raises MldeployError, after all was tried, when something could not be removed.
    """
    kept = kept_releases(state.history.served) | state.rotation
    releases = state.history.releases
    containers = {release: container for release in releases if (container := state.container_of(release))}
    kept |= {release for release, container in containers.items() if container.running}
    complaints = []
    # All containers first: Docker keeps an image as long as any of them, of whichever release, was made from it.
    for release, container in containers.items():
        if release not in kept:
            complaints += _try(executor, docker.remove(container.name))
    needed = {record.image for release, record in releases.items() if release in kept}
    there = set(executor.run(docker.images()).stdout.split())
    for image in sorted({record.image for record in releases.values()} & there - needed):
        complaints += _try(executor, docker.remove_image(image))
    if complaints:
        raise MldeployError("some old releases could not be removed", cause="; ".join(complaints))


def _try(executor: Executor, argv: list[str]) -> list[str]:
    result = executor.run(argv, deadline=60, check=False)
    if result.exit_code == 0 or "No such" in result.stderr:
        return []
    said = result.stderr.splitlines() or [f"`{shlex.join(argv)}` ended with exit code {result.exit_code}"]
    return said[-1:]
