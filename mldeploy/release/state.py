"""What an app is on a host right now: its ledger, its containers, its slots, and who is in rotation."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError
from mldeploy.host.commands import docker, files
from mldeploy.host.layout import ROOT, AppFolder
from mldeploy.release.ledger import History, read_ledger

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from mldeploy.host.executor import Executor

_FIRST_SLOT = 16
_LAST_SLOT = 127


@dataclass(frozen=True)
class Slots:
    """The two fixed addresses at which an app's releases run, one at a time each."""

    blue: str
    green: str

    def name_of(self, address: str) -> str:
        return {self.blue: "blue", self.green: "green"}.get(address, address)


@dataclass(frozen=True)
class Container:
    """A release's container; `address` is empty when it holds no slot."""

    name: str
    state: str
    address: str

    @property
    def running(self) -> bool:
        return self.state in ("running", "restarting", "paused")


@dataclass(frozen=True)
class AppState:
    folder: AppFolder
    history: History
    containers: dict[str, Container]
    rotation: frozenset[str]
    slots: Slots

    def container_of(self, release: str) -> Container | None:
        return self.containers.get(self.folder.container(release))

    def free_slot(self) -> str:
        """The address no running container of the app holds.

        Raises MldeployError when both are held, which an interrupted release leaves behind.
        """
        held = {container.address for container in self.containers.values() if container.running}
        for address in (self.slots.blue, self.slots.green):
            if address not in held:
                return address
        raise MldeployError(
            f"both slots of {self.folder.app} are taken",
            cause=f"running: {', '.join(sorted(c.name for c in self.containers.values() if c.running))}",
            remedy="Stop the one that does not serve with `docker stop` on the host.",
        )


def read_state(executor: Executor, app: str, subnet: IPv4Network) -> AppState:
    folder = AppFolder(app)
    return AppState(
        folder=folder,
        history=read_ledger(executor, folder),
        containers=_read_containers(executor, app),
        rotation=frozenset(executor.run(files.list_folder(folder.rotation)).stdout.split()),
        slots=_read_slots(executor, app, subnet),
    )


def apps_on(executor: Executor) -> list[str]:
    """The apps that have a ledger on the host."""
    return sorted(_read_all_slots(executor))


def slots_json(slots: Slots) -> str:
    return json.dumps({"schema": 1, "blue": slots.blue, "green": slots.green}) + "\n"


def _read_containers(executor: Executor, app: str) -> dict[str, Container]:
    containers = {}
    for line in executor.run(docker.containers(app)).stdout.splitlines():
        name, state, address = [*line.split("\t"), ""][:3]
        containers[name.lstrip("/")] = Container(name.lstrip("/"), state, address)
    return containers


def _read_slots(executor: Executor, app: str, subnet: IPv4Network) -> Slots:
    """The app's slots, or for a new app the first pair that no other app has."""
    taken = _read_all_slots(executor)
    if app in taken:
        return taken[app]
    used = {slots.blue for slots in taken.values()}
    for number in range(_FIRST_SLOT, _LAST_SLOT, 2):
        if str(subnet[number]) not in used:
            return Slots(str(subnet[number]), str(subnet[number + 1]))
    raise MldeployError(
        f"{executor.name} has no slot left",
        cause=f"{len(taken)} apps are on it",
        remedy="Ship to another host.",
    )


def _read_all_slots(executor: Executor) -> dict[str, Slots]:
    found = {}
    for line in executor.run(files.read_each(ROOT, "slots.json")).stdout.splitlines():
        path, _, content = line.partition("\t")
        raw = json.loads(content)
        found[path.split("/")[-2]] = Slots(raw["blue"], raw["green"])
    return found
