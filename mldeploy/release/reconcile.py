"""Finish or undo what an interrupted ship or rollback left: whatever is serving stays serving."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mldeploy.plan import Done
from mldeploy.release.operation import Operation, record_event
from mldeploy.release.start import remove, stop
from mldeploy.release.state import read_state
from mldeploy.release.switch import enter, leave_and_drain, retire

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from mldeploy.host.executor import Executor
    from mldeploy.plan import Report
    from mldeploy.release.state import AppState


def read_settled_state(executor: Executor, app: str, subnet: IPv4Network, report: Report) -> AppState:
    """The app's state, after an operation that was left interrupted has been brought to an end."""
    state = read_state(executor, app, subnet)
    start = time.monotonic()
    if (what := reconcile(executor, state)) is None:
        return state
    now = time.monotonic()
    report(Done(what, "", now - start, now))
    return read_state(executor, app, subnet)


def reconcile(executor: Executor, state: AppState) -> str | None:
    """Bring an interrupted operation to an end; returns what was done, in words, or None where nothing was due."""
    last = state.history.interrupted
    if last is None:
        return None
    op = Operation(
        executor=executor,
        folder=state.folder,
        number=last.operation,
        action=last.action,
        release=last.release,
        previous=last.previous,
        record=state.history.releases[last.release],
        caddy_address="",
        watch_seconds=0,
        begun=time.monotonic(),
    )
    what = f"the {last.action} of {last.release} that {last.by} left interrupted"
    if _new_serves(op, state):
        _finish(op, state, switched=last.event == "switched")
        return f"finished {what}: it was already serving"
    _undo(op, state)
    return f"undid {what}: {last.previous or 'nothing'} serves as before"


def _new_serves(op: Operation, state: AppState) -> bool:
    return op.release in state.rotation and op.previous not in state.rotation


def _finish(op: Operation, state: AppState, *, switched: bool) -> None:
    if not switched:
        record_event(op, "switched")
    if op.previous and state.container_of(op.previous):
        retire(op, op.previous)
    record_event(op, "finished", "reconciled")


def _undo(op: Operation, state: AppState) -> None:
    if op.previous:
        enter(op, op.previous)
    if container := state.container_of(op.release):
        leave_and_drain(op, op.release)
        if op.action == "ship":
            remove(op.executor, container.name)
        else:
            stop(op.executor, container.name)
    record_event(op, "failed", "interrupted, and undone by a later command")
