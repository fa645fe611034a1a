"""What a rollback can choose, and why it cannot choose the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mldeploy.errors import UsageError
from mldeploy.host.facts import gather
from mldeploy.host.setup import network_of
from mldeploy.release.releases import rows_of
from mldeploy.release.rollback import choose_app, choose_target
from mldeploy.release.start import comes_from_registry, has_image
from mldeploy.release.state import read_state

if TYPE_CHECKING:
    from mldeploy.host.executor import Executor
    from mldeploy.release.ledger import History
    from mldeploy.release.releases import Row
    from mldeploy.release.state import AppState


@dataclass(frozen=True)
class Target:
    """A release; `refusal` says why a rollback cannot choose it, and is empty where it can.

    `is_default` marks the one that is taken when none is named.
    """

    row: Row
    refusal: str
    is_default: bool

    def to_json(self) -> dict[str, Any]:
        return self.row.to_json() | {"refusal": self.refusal, "default": self.is_default}


def list_targets(executor: Executor, app: str | None) -> tuple[str, list[Target]]:
    """The app's name and all its releases, the newest first."""
    app = choose_app(executor, app)
    state = read_state(executor, app, network_of(gather(executor)))
    history = state.history
    default = history.served[-2] if len(history.served) > 1 else None
    return app, [Target(row, _refusal(executor, state, row), row.release == default) for row in rows_of(history)]


def _refusal(executor: Executor, state: AppState, row: Row) -> str:
    if why := refusal_of(state.history, row.release):
        return why
    kept = state.container_of(row.release) is not None
    if kept or comes_from_registry(row.image) or has_image(executor, row.image):
        return ""
    return "its image is gone from the host, and came from no registry: ship its bundle again"


def refusal_of(history: History, release: str) -> str:
    """Why the ledger forbids it; empty where it does not."""
    try:
        choose_target(history, release)
    except UsageError as refusal:
        return str(refusal.cause)
    return ""
