"""One ship or rollback on a host, and its events in the ledger."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mldeploy.release.ledger import Action, Event, ReleaseRecord, write_event
from mldeploy.release.lock import whoami
from mldeploy.release.settings import READY_SECONDS

if TYPE_CHECKING:
    from mldeploy.host.executor import Executor
    from mldeploy.host.layout import AppFolder
    from mldeploy.release.companions import Companions
    from mldeploy.release.watch import Watch


@dataclass(frozen=True)
class Operation:
    """One ship or rollback on a host: `release` is to serve in place of `previous`.

    `proxy` is Caddy's address on the network of releases. `begun` is the time.monotonic() at which the person's
    command began. `companions` are the other hosts that switch with this one. `ready_seconds` is how long the
    release may take to become ready.
    """

    executor: Executor
    folder: AppFolder
    number: int
    action: Action
    release: str
    previous: str | None
    record: ReleaseRecord
    proxy: str
    watch: Watch
    begun: float
    companions: Companions | None = None
    ready_seconds: float = READY_SECONDS

    @property
    def container(self) -> str:
        return self.folder.container(self.release)


def record_event(
    op: Operation, kind: Literal["started", "switched", "finished", "failed"], reason: str | None = None
) -> None:
    """Write an event of this operation to the ledger."""
    event = Event(
        event=kind,
        operation=op.number,
        action=op.action,
        release=op.release,
        previous=op.previous,
        by=whoami(),
        record=op.record if kind == "started" and op.action == "ship" else None,
        reason=reason,
        seconds=None if kind == "started" else round(time.monotonic() - op.begun, 3),
    )
    write_event(op.executor, op.folder, event)
