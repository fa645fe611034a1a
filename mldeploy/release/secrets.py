"""Secrets of an app: files on the host that its releases read, each release its own copy.

They travel on standard input alone and are no part of an environment, where an inspection would show them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from mldeploy.config import SecretName
from mldeploy.errors import UsageError
from mldeploy.host.commands import files
from mldeploy.host.layout import RUNTIME_USER, TODAY

if TYPE_CHECKING:
    from mldeploy.host.executor import Executor, Secret
    from mldeploy.host.layout import AppFolder


def set_secret(executor: Executor, folder: AppFolder, name: str, value: Secret) -> None:
    """Releases shipped from now on have it. Raises UsageError when `name` cannot be a file's."""
    try:
        TypeAdapter(SecretName).validate_python(name)
    except ValidationError as failure:
        raise UsageError(
            f"{name!r} is no name for a secret",
            remedy="Begin with a letter or _, and go on with letters, digits, _, - and dots.",
        ) from failure
    executor.run(files.make_folder_of(RUNTIME_USER, folder.secrets(TODAY)))
    path = f"{folder.secrets(TODAY)}/{name}"
    executor.run(files.write(path, "0600", owner=RUNTIME_USER), stdin=value)


def list_secrets(executor: Executor, folder: AppFolder) -> list[str]:
    return executor.run(files.list_folder(folder.secrets(TODAY))).stdout.split()


def unset_secret(executor: Executor, folder: AppFolder, name: str) -> None:
    """Raises UsageError when there is none of that name. Releases that have it keep it."""
    names = list_secrets(executor, folder)
    if name not in names:
        raise UsageError(f"{folder.app} has no secret {name}", cause=f"it has {', '.join(names) or 'none'}")
    executor.run(files.remove(f"{folder.secrets(TODAY)}/{name}"))


def give_secrets(executor: Executor, folder: AppFolder, release: str) -> None:
    """Let the release have today's secrets, and no others."""
    executor.run(files.make_folder_of(RUNTIME_USER, folder.secrets(release)))
    executor.run(files.copy_folder(folder.secrets(TODAY), folder.secrets(release)))


def keep_secrets(executor: Executor, folder: AppFolder, release: str) -> None:
    """Put the release's own secrets aside, for `bring_back_secrets`."""
    executor.run(files.keep(folder.secrets(release)))


def bring_back_secrets(executor: Executor, folder: AppFolder, release: str) -> None:
    """Let the release have the secrets that were put aside; where none were, it keeps what it has."""
    executor.run(files.bring_back(folder.secrets(release)))


def changed_secrets(executor: Executor, folder: AppFolder, release: str) -> list[str]:
    """The names of the secrets in which the release differs from today's. Their contents stay on the host."""
    return executor.run(files.differing(folder.secrets(TODAY), folder.secrets(release))).stdout.split()
