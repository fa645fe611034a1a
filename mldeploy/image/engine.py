"""The Docker Engine on this machine, and its failures in words that a person can act on."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import docker
from docker.context import ContextAPI
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from mldeploy.errors import MldeployError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

LONG_S = 600
"""How long the Engine may be silent while it works: it loads and exports whole images."""


def connect(timeout_s: int = LONG_S) -> DockerClient:
    """The Engine that `docker` itself would use: DOCKER_HOST, else the current context.

    Raises UnreachableError when none answers.
    """
    try:
        client = docker.from_env(timeout=timeout_s, environment=_environment())
        client.ping()
    except (DockerException, RequestException) as failure:
        raise UnreachableError(
            "Docker does not answer",
            cause=_reason(failure),
            remedy="Start Docker (`docker version` shows whether it runs), or set DOCKER_HOST to one that does.",
        ) from failure
    return client


def native_platform(engine: DockerClient) -> str:
    """What the Engine runs without emulation, such as linux/amd64."""
    version = engine.version()
    return f"{version['Os']}/{version['Arch']}"


def _environment() -> dict[str, str]:
    """The variables that name the Engine. The library knows no contexts, which Docker Desktop and others rely on."""
    context = ContextAPI.get_current_context()
    named = {"DOCKER_HOST": context.Host} if context and context.Host else {}
    return named | dict(os.environ)


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn what the Engine says into our errors; `doing` completes the sentence "Docker could not"."""
    try:
        yield
    except (DockerException, OSError) as failure:
        reason = _reason(failure)
        if "no space left on device" in reason.lower():
            raise MldeployError(
                f"Docker could not {doing}: the disk is full",
                cause=reason,
                remedy="`docker system df` shows what takes space; `docker image prune` frees unused images.",
            ) from failure
        silent = isinstance(failure, RequestException) and not isinstance(failure, DockerException)
        kind = UnreachableError if silent else MldeployError
        raise kind(f"Docker could not {doing}", cause=reason) from failure


def _reason(failure: Exception) -> str:
    if isinstance(failure, APIError) and failure.explanation:
        return str(failure.explanation)
    return str(failure) or type(failure).__name__
