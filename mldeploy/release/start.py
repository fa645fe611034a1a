"""Bring a release's container up in a slot, out of rotation, and take it down again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.config import SECRETS_FOLDER
from mldeploy.errors import MldeployError
from mldeploy.host.commands import docker, files
from mldeploy.host.executor import CommandError
from mldeploy.host.layout import RUNTIME_USER
from mldeploy.image.build import MODELS

if TYPE_CHECKING:
    from mldeploy.host.executor import Executor
    from mldeploy.image.login import Login
    from mldeploy.release.operation import Operation
    from mldeploy.release.settings import Settings

TRANSFER_SECONDS = 600
STOP_SECONDS = 60


def has_image(executor: Executor, image: str) -> bool:
    return executor.run(docker.has_image(image), check=False).exit_code == 0


def comes_from_registry(image: str) -> bool:
    """Whether an image that is not on a host can be had for it; one without a repository is named by its id."""
    return "@" in image


def have_image(executor: Executor, image: str) -> None:
    """Have the image of an earlier release on the host; only one that is gone from there needs its registry."""
    if has_image(executor, image):
        return
    if not comes_from_registry(image):
        raise MldeployError(
            f"the image of this release is gone from {executor.name}",
            cause="it came there through the SSH connection, so no registry has it",
            remedy="Ship its bundle again.",
        )
    pull(executor, image)


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
    folder = op.folder
    if settings.prediction_log:
        op.executor.run(files.make_folder_of(RUNTIME_USER, folder.predictions))
    if settings.stored_model:
        op.executor.run(files.make_folder_of(RUNTIME_USER, folder.models))
    environment, volumes = _environment(op, settings), _volumes(op, settings)
    create = docker.create(folder.app, op.release, slot, settings.image, settings, environment, volumes)
    op.executor.run(create)
    op.executor.run(docker.start(op.container))


def _environment(op: Operation, settings: Settings) -> dict[str, str]:
    return {
        "MLDEPLOY_RELEASE": op.release,
        "MLDEPLOY_ROTATION": "/rotation",
        "MLDEPLOY_PROXY": op.proxy,
        **({} if settings.public else {"MLDEPLOY_KEYS": "/keys/keys.json"}),
        **({"MLDEPLOY_PREDICTION_LOG": "/data/predictions"} if settings.prediction_log else {}),
        **settings.environment,
    }


def _volumes(op: Operation, settings: Settings) -> dict[str, str]:
    folder = op.folder
    return {
        folder.rotation: "/rotation:ro",
        folder.secrets(op.release): f"{SECRETS_FOLDER}:ro",
        **({} if settings.public else {folder.keys: "/keys:ro"}),
        **({folder.predictions: "/data/predictions"} if settings.prediction_log else {}),
        **({folder.models: MODELS} if settings.stored_model else {}),
    }


def start_kept(op: Operation, slot: str) -> None:
    op.executor.run(docker.give_address(op.container, slot))
    op.executor.run(docker.start(op.container))


def stop(executor: Executor, container: str) -> None:
    """Stop a container and take its address, so that the slot is free; the container is kept."""
    executor.run(docker.stop(container), deadline=STOP_SECONDS)
    executor.run(docker.take_address(container), check=False)


def discard(op: Operation) -> None:
    """Take away what a release was given that is not to serve: its container, settings and secrets.

    An app of which nothing serves gives its slots back.
    """
    remove(op.executor, op.container)
    op.executor.run(files.remove(op.folder.settings(op.release)))
    op.executor.run(files.remove_all_but(op.folder.secrets(op.release), ()))
    if op.previous is None:
        op.executor.run(files.remove(op.folder.slots))


def remove(executor: Executor, container: str) -> None:
    executor.run(docker.remove(container), deadline=STOP_SECONDS)
