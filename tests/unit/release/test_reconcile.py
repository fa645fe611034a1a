"""What becomes of an operation that was cut off, foreseen without a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mldeploy.host.executor import Result, reveal
from mldeploy.host.layout import AppFolder
from mldeploy.release.reconcile import foresee
from mldeploy.release.state import AppState, Container, Slots
from tests.unit.local_executor import LocalExecutor
from tests.unit.release.test_ledger import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldeploy.host.executor import Secret, Text

SLOTS = Slots("10.0.0.16", "10.0.0.17")


class Ready(LocalExecutor):
    """A host all of whose releases are ready, and where nothing may be changed."""

    def run(
        self, argv: Sequence[str | Secret], *, stdin: Text = "", deadline: float = 30, check: bool = True
    ) -> Result:
        assert reveal(argv[-1]) == "status"
        return Result('{"ready": true}', "", 0)


def cut_off(*events: str, rotation: set[str]) -> AppState:
    """r1 served in the blue slot, and r2 was being shipped to the green one, up to these events."""
    writer = Writer()
    writer.ship("r1", None)
    writer.operate("ship", "r2", "r1", *events)
    folder = AppFolder("churn")
    containers = {
        name: Container(name, "running", address)
        for name, address in ((folder.container("r1"), SLOTS.blue), (folder.container("r2"), SLOTS.green))
    }
    return AppState(folder, writer.history, containers, frozenset(rotation), SLOTS)


@pytest.mark.parametrize(
    ("state", "serving", "free"),
    [
        (cut_off("started", rotation={"r1"}), "r1", SLOTS.green),
        (cut_off("started", rotation={"r1", "r2"}), "r1", SLOTS.green),
        (cut_off("started", rotation={"r2"}), "r2", SLOTS.blue),
        (cut_off("started", "switched", rotation={"r2"}), "r2", SLOTS.blue),
    ],
    ids=["before the switch", "in its midst", "just after it", "in the watch"],
)
def test_after_a_cut_one_release_serves_and_the_slot_of_the_other_is_free(
    state: AppState, serving: str, free: str
) -> None:
    after = foresee(Ready(), state)
    assert (after.history.serving, after.history.interrupted, after.free_slot()) == (serving, None, free)


def test_without_a_cut_all_is_as_it_is() -> None:
    state = cut_off("started", "switched", "finished", rotation={"r2"})
    assert foresee(Ready(), state) is state
