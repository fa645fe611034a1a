"""The log lines of a release, as its container wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.errors import UsageError
from mldeploy.host.commands import docker
from mldeploy.host.layout import AppFolder
from mldeploy.release.ledger import read_ledger
from mldeploy.release.rollback import choose_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.host.executor import Executor


def read_logs(
    executor: Executor, app: str | None, release: str | None, *, since: str | None, tail: int | None, follow: bool
) -> Iterator[bytes]:
    """The lines of `release`, by default of the one that serves, in chunks as they come; endless with `follow`.

    `since` is what Docker takes: 10m, 2h, or a time. Raises UsageError when there is no such release, when its
    container is gone, or when `since` is none of these.
    """
    folder = AppFolder(choose_app(executor, app))
    history = read_ledger(executor, folder)
    chosen = release or history.serving
    if chosen is None or chosen not in history.releases:
        raise UsageError(
            f"there is no release {release!r} of {folder.app}" if release else f"no release of {folder.app} serves",
            cause=f"the ledger has {', '.join(history.releases) or 'none'}",
            remedy="`mldeploy releases` lists what there is.",
        )
    container = folder.container(chosen)
    # A stream has no exit code, so Docker is asked first.
    asked = executor.run(docker.stream_logs(container, since=since, tail=0, follow=False), check=False)
    if asked.exit_code != 0:
        raise UsageError(
            f"the log lines of {chosen} of {folder.app} cannot be had",
            cause=asked.stdout or asked.stderr,
            remedy="Give --since as 10m, 2h, or a time. A release that no rollback can reach has lost its container.",
        )
    stream = executor.open(docker.stream_logs(container, since=since, tail=tail, follow=follow))
    try:
        stream.settimeout(None)
        while chunk := stream.recv(65536):
            yield chunk
    finally:
        stream.close()
