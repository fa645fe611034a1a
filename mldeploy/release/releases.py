"""What the ledger says of an app's releases, a row each, the newest first."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mldeploy.host.layout import AppFolder
from mldeploy.release.ledger import History, read_ledger
from mldeploy.release.rollback import choose_app

if TYPE_CHECKING:
    from datetime import datetime

    from mldeploy.host.executor import Executor
    from mldeploy.release.ledger import LoadtestRecord


@dataclass(frozen=True)
class Row:
    release: str
    state: str
    version: str
    bundle_id: str
    image: str
    git_commit: str | None
    max_error: float
    shipped_at: datetime
    by: str
    loadtest: LoadtestRecord | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "shipped_at": self.shipped_at.isoformat(),
            "loadtest": self.loadtest and self.loadtest.model_dump(exclude={"p99_replicates_s"}),
        }


def list_releases(executor: Executor, app: str | None) -> tuple[str, list[Row], bool]:
    """The app's name, its releases, and whether a line of the ledger was torn."""
    app = choose_app(executor, app)
    history = read_ledger(executor, AppFolder(app))
    return app, rows_of(history), history.torn


def rows_of(history: History) -> list[Row]:
    shipped = {event.release: event for event in history.events if event.event == "started" and event.record}
    return [
        Row(
            release=release,
            state=history.state_of(release),
            **record.model_dump(),
            shipped_at=shipped[release].at,
            by=shipped[release].by,
            loadtest=history.loadtests.get(release, (None,))[-1],
        )
        for release, record in reversed(history.releases.items())
    ]
