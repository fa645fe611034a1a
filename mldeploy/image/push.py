"""An image into a registry, and the digest by which hosts are to pull it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docker.errors import APIError
from requests.exceptions import ConnectionError as EngineSilent
from requests.exceptions import ReadTimeout
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

from mldeploy import console
from mldeploy.errors import MldeployError, UnreachableError
from mldeploy.image.engine import connect, explained

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mldeploy.image.build import Image

ANSWER_S = 10
"""How long a registry may take for its first answer."""

NO_LOGIN = ("unauthorized", "denied", "no basic auth", "authentication required")
NO_SUCH_IMAGE = ("manifest unknown", "not found", "name unknown", "does not exist")


def push_image(image: Image, registry: str) -> str:
    """Push `image` to `registry` (host[:port][/folder]); gives `registry/name@sha256:...`.

    Raises UnreachableError when the registry does not answer within 10 s or refuses the login.
    """
    repository = f"{registry}/{image.name}"
    _check_answers(registry, repository, image.tag)
    engine = connect()
    with explained(f"push to {registry}"):
        engine.images.get(image.id).tag(repository, image.tag)
        events = engine.api.push(repository, image.tag, stream=True, decode=True)
        return f"{repository}@{_follow(events, registry)}"


def _check_answers(registry: str, repository: str, tag: str) -> None:
    """Ask, through the Engine, whether the registry knows the tag: any answer of its own will do.

    A registry may refuse to say so of what may yet be pushed; the push itself finds out.
    """
    try:
        connect(ANSWER_S).images.get_registry_data(f"{repository}:{tag}")
    except (ReadTimeout, EngineSilent) as failure:
        raise _unreachable(registry, f"no answer within {ANSWER_S} s") from failure
    except APIError as failure:
        reason = str(failure.explanation or failure)
        if not any(sign in reason.lower() for sign in (*NO_SUCH_IMAGE, *NO_LOGIN)):
            raise _unreachable(registry, reason) from failure


def _follow(events: Iterable[dict[str, Any]], registry: str) -> str:
    """Show layers and bytes while the Engine pushes; gives the manifest's digest."""
    digest = ""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        console=console.err,
        transient=True,
        disable=not console.err.is_terminal,
    ) as progress:
        bars: dict[str, TaskID] = {}
        for event in events:
            if "error" in event:
                raise _refused(registry, str(event["error"]))
            digest = event.get("aux", {}).get("Digest", digest)
            _show(progress, bars, event)
    if not digest:
        raise MldeployError(f"{registry} took the image but named no digest", remedy="Push again.")
    return digest


def _show(progress: Progress, bars: dict[str, TaskID], event: dict[str, Any]) -> None:
    layer = event.get("id")
    detail = event.get("progressDetail") or {}
    if not layer or "current" not in detail:
        return
    if layer not in bars:
        bars[layer] = progress.add_task(f"layer {layer}")
    # The Engine counts a layer's archive, headers included, against the size of its files.
    total = detail.get("total") or detail["current"]
    progress.update(bars[layer], completed=min(detail["current"], total), total=total)


def _unreachable(registry: str, cause: str) -> UnreachableError:
    return UnreachableError(
        f"the registry {registry} does not answer",
        cause=cause,
        remedy="Check `registry` in mldeploy.toml, and that the registry runs and this machine reaches it.",
    )


def _refused(registry: str, cause: str) -> MldeployError:
    if any(sign in cause.lower() for sign in NO_LOGIN):
        return UnreachableError(
            f"the registry {registry} refuses the login",
            cause=cause,
            remedy=f"Log in with `docker login {registry.split('/')[0]}`, as one who may push there.",
        )
    return MldeployError(f"the registry {registry} did not take the image", cause=cause, remedy="Try again.")
