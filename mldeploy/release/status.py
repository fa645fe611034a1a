"""What serves on a host right now, as Docker, the rotation folder and the runtimes themselves say."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mldeploy.host.commands import docker
from mldeploy.host.facts import gather
from mldeploy.host.setup import network_of
from mldeploy.release.state import apps_on, read_state

if TYPE_CHECKING:
    from datetime import datetime

    from mldeploy.host.executor import Executor
    from mldeploy.host.facts import Facts
    from mldeploy.release.ledger import History
    from mldeploy.release.state import AppState


@dataclass(frozen=True)
class SlotStatus:
    """One slot of an app. Without a release in it, all but its name is empty.

    `ready`, `in_flight` and `requests` are what the runtime answers; None when it does not.
    """

    slot: str
    release: str | None = None
    version: str | None = None
    container: str | None = None
    in_rotation: bool = False
    ready: bool | None = None
    in_flight: int | None = None
    requests: int | None = None


@dataclass(frozen=True)
class AppStatus:
    """One app. `interrupted` says which operation was cut off, if one was."""

    app: str
    serving: str | None
    version: str | None
    since: datetime | None
    interrupted: str | None
    slots: tuple[SlotStatus, ...]


@dataclass(frozen=True)
class HostStatus:
    """One host; sizes in bytes."""

    host: str
    docker: str
    caddy: str
    disk_free: int
    memory_free: int
    apps: tuple[AppStatus, ...]

    def to_json(self) -> dict[str, Any]:
        apps = [asdict(app) | {"since": app.since and app.since.isoformat()} for app in self.apps]
        return asdict(self) | {"apps": apps}


def read_status(executor: Executor) -> HostStatus:
    facts = gather(executor)
    return HostStatus(
        host=executor.name,
        docker=facts.docker,
        caddy=facts.caddy,
        disk_free=facts.disk_free,
        memory_free=facts.memory_free,
        apps=tuple(_app_status(executor, app, facts) for app in apps_on(executor)),
    )


def _app_status(executor: Executor, app: str, facts: Facts) -> AppStatus:
    state = read_state(executor, app, network_of(facts))
    history = state.history
    serving, cut_off = history.serving, history.interrupted
    return AppStatus(
        app=app,
        serving=serving,
        version=history.releases[serving].version if serving else None,
        since=_since(history),
        interrupted=f"{cut_off.action} of {cut_off.release} by {cut_off.by}" if cut_off else None,
        slots=(_slot_status(executor, state, "blue"), _slot_status(executor, state, "green")),
    )


def _since(history: History) -> datetime | None:
    switches = (event for event in reversed(history.events) if event.event == "switched")
    return next((event.at for event in switches if event.release == history.serving), None)


def _slot_status(executor: Executor, state: AppState, slot: str) -> SlotStatus:
    address = getattr(state.slots, slot)
    for release, record in state.history.releases.items():
        container = state.container_of(release)
        if container is None or container.address != address:
            continue
        answer = _ask(executor, container.name) if container.running else {}
        return SlotStatus(
            slot=slot,
            release=release,
            version=record.version,
            container=container.state,
            in_rotation=release in state.rotation,
            ready=answer.get("ready"),
            in_flight=answer.get("in_flight"),
            requests=answer.get("requests"),
        )
    return SlotStatus(slot)


def _ask(executor: Executor, container: str) -> dict[str, Any]:
    result = executor.run(docker.control(container, "status"), check=False)
    try:
        answer = json.loads(result.stdout)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
