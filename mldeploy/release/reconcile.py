"""Finish or undo what an interrupted ship or rollback left: whatever is serving stays serving."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mldeploy.config import Config
from mldeploy.host.edge import bring_back_site
from mldeploy.plan import Done
from mldeploy.release.operation import Operation, record_event
from mldeploy.release.secrets import bring_back_secrets
from mldeploy.release.start import discard, stop
from mldeploy.release.state import read_state
from mldeploy.release.switch import enter, finish, leave, leave_and_drain, retire
from mldeploy.release.watch import Watch, is_ready

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    from mldeploy.host.executor import Executor
    from mldeploy.plan import Report
    from mldeploy.release.ledger import Event
    from mldeploy.release.state import AppState


@dataclass(frozen=True)
class Settled:
    """The app's state with no operation left open; `ended` is the one that was found interrupted, if one was."""

    state: AppState
    ended: Event | None


def settle(executor: Executor, app: str, subnet: IPv4Network, report: Report) -> Settled:
    """Read the app's state, after bringing an operation that was left interrupted to an end."""
    state = read_state(executor, app, subnet)
    interrupted = state.history.interrupted
    if interrupted is None:
        return Settled(state, None)
    start = time.monotonic()
    what = _reconcile(executor, state, interrupted)
    now = time.monotonic()
    report(Done(what, "", now - start, now))
    return Settled(read_state(executor, app, subnet), interrupted)


def foresee(executor: Executor, state: AppState) -> AppState:
    """What will serve and hold a slot once `settle` was here; nothing is changed."""
    last = state.history.interrupted
    if last is None:
        return state
    op = _operation_of(executor, state, last)
    serves, goes = (op.release, op.previous) if _new_serves(op, state) else (op.previous, op.release)
    history = replace(state.history, served=(serves,) if serves else (), interrupted=None)
    gone = state.container_of(goes) if goes else None
    return replace(
        state,
        history=history,
        containers={name: container for name, container in state.containers.items() if container != gone},
    )


def _operation_of(executor: Executor, state: AppState, last: Event) -> Operation:
    return Operation(
        executor=executor,
        folder=state.folder,
        number=last.operation,
        action=last.action,
        release=last.release,
        previous=last.previous,
        record=state.history.releases[last.release],
        proxy="",
        watch=Watch.of(Config(), 0),
        begun=time.monotonic(),
    )


def _reconcile(executor: Executor, state: AppState, last: Event) -> str:
    """Finish or undo the operation whose last event is `last`; returns what was done, in words."""
    op = _operation_of(executor, state, last)
    what = f"the {last.action} of {last.release} that {last.by} left interrupted"
    if _new_serves(op, state):
        _finish(op, state, switched=last.event == "switched")
        return f"finished {what}: it was already serving"
    _undo(op, state)
    return f"undid {what}: {last.previous or 'nothing'} serves as before"


def _new_serves(op: Operation, state: AppState) -> bool:
    """Whether the new release is what serves: in rotation, alive, and the one before gone from rotation or dead."""
    if op.release not in state.rotation:
        return False
    old_lives = op.previous is not None and _lives(op, state, op.previous)
    if op.previous in state.rotation:
        return not old_lives and _lives(op, state, op.release)
    return not old_lives or _lives(op, state, op.release)


def _lives(op: Operation, state: AppState, release: str) -> bool:
    container = state.container_of(release)
    return container is not None and container.running and is_ready(op, release)


def _finish(op: Operation, state: AppState, *, switched: bool) -> None:
    if not switched:
        record_event(op, "switched")
    if op.previous:
        leave(op, op.previous)
        if state.container_of(op.previous):
            retire(op, op.previous)
    finish(op, "reconciled")


def _undo(op: Operation, state: AppState) -> None:
    if op.previous:
        enter(op, op.previous)
    leave_and_drain(op, op.release)
    if op.action == "ship":
        bring_back_site(op.executor, op.folder)
        discard(op)
    else:
        if container := state.container_of(op.release):
            stop(op.executor, container.name)
        bring_back_secrets(op.executor, op.folder, op.release)
    record_event(op, "failed", "interrupted, and undone by a later command")
