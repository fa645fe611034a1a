"""Destroy: an app leaves its host, with its releases, keys, secrets and predictions. The host itself stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.errors import UsageError
from mldeploy.host.commands import docker, files
from mldeploy.host.edge import apply_sites
from mldeploy.host.layout import RESERVED, ROOT, AppFolder
from mldeploy.host.site import read_sites
from mldeploy.host.ssh import connect
from mldeploy.plan import Step, execute
from mldeploy.release.ledger import Event, read_ledger, write_event
from mldeploy.release.lock import hold, whoami
from mldeploy.release.start import STOP_SECONDS

if TYPE_CHECKING:
    from mldeploy.config import Config
    from mldeploy.host.executor import Executor
    from mldeploy.plan import Done, Report
    from mldeploy.release.ledger import History


def destroy(app: str, host: str, config: Config, *, with_ledger: bool, report: Report) -> list[Done]:
    """Remove all of an app from a host, save its ledger unless `with_ledger`; returns what was done.

    One that was cut off is completed by another: the app's folder goes last. Raises UsageError when there is no such
    app, MldeployError when a step fails.
    """
    folder = AppFolder(app)
    with connect(host, config) as ssh, hold(ssh, f"destroying {app}") as executor:
        require_there(executor, folder)
        history = read_ledger(executor, folder)
        return execute(_steps(executor, folder, history, with_ledger=with_ledger), report).done


def require_there(executor: Executor, folder: AppFolder) -> None:
    """Raise UsageError where the host has no files of this app."""
    there = set(executor.run(files.list_folder(ROOT)).stdout.split())
    if folder.app not in there:
        raise UsageError(
            f"there is no app {folder.app} on {executor.name}",
            cause=f"it has {', '.join(sorted(there - RESERVED)) or 'none'}",
            remedy="Nothing was removed. `mldeploy status` lists the apps that serve.",
        )


def _steps(executor: Executor, folder: AppFolder, history: History, *, with_ledger: bool) -> list[Step]:
    remembered = [] if with_ledger else [Step("ledger: destroyed", lambda: _record(executor, folder, history))]
    kept = () if with_ledger else (folder.ledger,)
    what = "all files" if with_ledger else "all files but the ledger"
    return [
        Step(f"take {folder.app} out of Caddy", lambda: _leave_caddy(executor, folder)),
        Step("remove its containers", lambda: _remove_containers(executor, folder)),
        Step("remove its images", lambda: _remove_images(executor, history)),
        *remembered,
        Step(f"remove {what} of {folder.app}", lambda: _remove_files(executor, folder, kept)),
    ]


def _leave_caddy(executor: Executor, folder: AppFolder) -> None:
    executor.run(files.remove(folder.site))
    apply_sites(executor, read_sites(executor))


def _remove_containers(executor: Executor, folder: AppFolder) -> str:
    lines = executor.run(docker.containers(folder.app)).stdout.splitlines()
    for line in lines:
        executor.run(docker.remove(line.split("\t")[0].lstrip("/")), deadline=STOP_SECONDS)
    return f"{len(lines)} of them"


def _remove_images(executor: Executor, history: History) -> None:
    """Those that another app's containers use stay: Docker refuses to remove them."""
    there = set(executor.run(docker.images()).stdout.split())
    for image in there & {record.image for record in history.releases.values()}:
        executor.run(docker.remove_image(image), deadline=60, check=False)


def _record(executor: Executor, folder: AppFolder, history: History) -> None:
    if not history.releases:
        return
    release = history.serving or next(reversed(history.releases))
    event = Event(event="destroyed", operation=history.next_operation, action="destroy", release=release, by=whoami())
    write_event(executor, folder, event)


def _remove_files(executor: Executor, folder: AppFolder, kept: tuple[str, ...]) -> None:
    executor.run(files.remove_all_but(folder.path, kept))
