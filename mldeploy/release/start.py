"""Bring a release's container up in a slot, out of rotation, and take it down again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError
from mldeploy.host.commands import docker
from mldeploy.host.executor import CommandError

if TYPE_CHECKING:
    from mldeploy.host.executor import Executor
    from mldeploy.image.login import Login
    from mldeploy.release.operation import Operation
    from mldeploy.release.settings import Settings

TRANSFER_SECONDS = 600
STOP_SECONDS = 60


def has_image(executor: Executor, image: str) -> bool:
    return executor.run(docker.has_image(image), check=False).exit_code == 0


def pull(executor: Executor, image: str, login: Login | None = None) -> None:
    """Pull the image, named by its digest. Of `login` the host keeps nothing; without it, its own holds."""
    try:
        if login:
            executor.run(docker.pull_as(login.user, image), stdin=login.password, deadline=TRANSFER_SECONDS)
        else:
            executor.run(docker.pull(image), deadline=TRANSFER_SECONDS)
    except CommandError as failure:
        raise MldeployError(
            f"{executor.name} cannot pull the image",
            cause=failure.cause,
            remedy="Check that the host reaches the registry, and has room: `df -h /var/lib/docker` there.",
        ) from failure


def start_new(op: Operation, slot: str, settings: Settings) -> None:
    op.executor.run(docker.create(op.folder.app, op.release, slot, settings.image, settings))
    op.executor.run(docker.start(op.container))


def start_kept(op: Operation, slot: str) -> None:
    op.executor.run(docker.give_address(op.container, slot))
    op.executor.run(docker.start(op.container))


def stop(executor: Executor, container: str) -> None:
    """Stop a container and take its address, so that the slot is free; the container is kept."""
    executor.run(docker.stop(container), deadline=STOP_SECONDS)
    executor.run(docker.take_address(container), check=False)


def remove(executor: Executor, container: str) -> None:
    executor.run(docker.remove(container), deadline=STOP_SECONDS)
