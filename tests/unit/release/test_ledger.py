"""The ledger's events, replayed, say what serves, what can be rolled back to, and what was interrupted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mldeploy.errors import MldeployError, UsageError
from mldeploy.host.layout import AppFolder
from mldeploy.release.ledger import Event, History, ReleaseRecord, read_ledger, replay, write_event
from mldeploy.release.releases import rows_of
from mldeploy.release.rollback import choose_target
from tests.unit.local_executor import LocalExecutor

if TYPE_CHECKING:
    from pathlib import Path


class Writer:
    """Writes the events of whole operations, as the verbs do."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.operation = 0

    def operate(self, action: str, release: str, previous: str | None, *kinds: str, version: str = "1.0.0") -> None:
        self.operation += 1
        for kind in kinds:
            record = ReleaseRecord(version=version, bundle_id="0" * 64, image=f"img@{release}", max_error=0.0)
            event = Event.model_validate(
                {
                    "event": kind,
                    "operation": self.operation,
                    "action": action,
                    "release": release,
                    "previous": previous,
                    "by": "ada@laptop",
                    "record": record if (kind, action) == ("started", "ship") else None,
                }
            )
            self.lines.append(event.model_dump_json(by_alias=True, exclude_none=True))

    def ship(self, release: str, previous: str | None, version: str = "1.0.0") -> None:
        self.operate("ship", release, previous, "started", "switched", "finished", version=version)

    def rollback(self, release: str, previous: str) -> None:
        self.operate("rollback", release, previous, "started", "switched", "finished")

    @property
    def history(self) -> History:
        return replay("\n".join(self.lines) + "\n")


@pytest.fixture
def shipped() -> Writer:
    """Three releases, one after the other."""
    writer = Writer()
    writer.ship("r1", None, "1.0.0")
    writer.ship("r2", "r1", "1.1.0")
    writer.ship("r3", "r2", "1.2.0")
    return writer


def test_an_empty_ledger_has_no_release_and_counts_from_one() -> None:
    history = replay("")
    assert (history.serving, history.next_release, history.next_operation) == (None, "r1", 1)


def test_the_last_release_switched_to_serves(shipped: Writer) -> None:
    assert shipped.history.serving == "r3"
    assert shipped.history.next_release == "r4"


def test_rollbacks_go_further_back_each_time(shipped: Writer) -> None:
    assert choose_target(shipped.history, None) == "r2"
    shipped.rollback("r2", "r3")
    assert choose_target(shipped.history, None) == "r1"
    shipped.rollback("r1", "r2")
    with pytest.raises(UsageError, match="nothing to roll back to"):
        choose_target(shipped.history, None)


def test_a_ship_after_a_rollback_goes_back_to_what_served_and_not_to_what_was_rolled_back_from(shipped: Writer) -> None:
    shipped.rollback("r2", "r3")
    shipped.ship("r4", "r2")
    assert choose_target(shipped.history, None) == "r2"


def test_a_release_that_was_rolled_back_from_can_be_named(shipped: Writer) -> None:
    shipped.rollback("r2", "r3")
    assert choose_target(shipped.history, "r3") == "r3"
    assert choose_target(shipped.history, "1.2.0") == "r3"
    shipped.rollback("r3", "r2")
    assert shipped.history.served == ("r1", "r2", "r3")


@pytest.mark.parametrize(("wanted", "why"), [("r9", "no such"), ("r3", "serves now"), ("1.2.0", "serves now")])
def test_a_target_that_cannot_be_chosen_says_why(shipped: Writer, wanted: str, why: str) -> None:
    with pytest.raises(UsageError) as failure:
        choose_target(shipped.history, wanted)
    assert why in failure.value.cause


def test_a_version_shipped_twice_must_be_named_by_its_release(shipped: Writer) -> None:
    shipped.ship("r4", "r3", "1.0.0")
    shipped.ship("r5", "r4", "1.3.0")
    with pytest.raises(UsageError) as failure:
        choose_target(shipped.history, "1.0.0")
    assert "r1, r4" in failure.value.cause


@pytest.mark.parametrize("kinds", [("started", "failed"), ("started", "switched", "failed")])
def test_a_failed_ship_leaves_what_served_and_is_no_target(shipped: Writer, kinds: tuple[str, ...]) -> None:
    shipped.operate("ship", "r4", "r3", *kinds)
    history = shipped.history
    assert history.served == ("r1", "r2", "r3")
    assert history.interrupted is None
    assert history.state_of("r4") == "failed"
    assert history.next_release == "r5"
    with pytest.raises(UsageError):
        choose_target(history, "r4")


def test_a_failed_rollback_leaves_the_stack_as_it_was(shipped: Writer) -> None:
    shipped.operate("rollback", "r1", "r3", "started", "switched", "failed")
    assert shipped.history.served == ("r1", "r2", "r3")


def test_a_failure_whose_start_never_reached_the_ledger_changes_nothing(shipped: Writer) -> None:
    shipped.rollback("r2", "r3")
    shipped.operate("ship", "r4", "r2", "failed")
    assert shipped.history.served == ("r1", "r2")
    assert shipped.history.interrupted is None


@pytest.mark.parametrize("kinds", [("started",), ("started", "switched")])
def test_an_operation_without_an_end_is_interrupted(shipped: Writer, kinds: tuple[str, ...]) -> None:
    shipped.operate("ship", "r4", "r3", *kinds)
    interrupted = shipped.history.interrupted
    assert interrupted is not None
    assert (interrupted.release, interrupted.event) == ("r4", kinds[-1])


def test_a_torn_last_line_is_tolerated_and_said(shipped: Writer) -> None:
    history = replay("\n".join(shipped.lines)[:-30])
    assert history.torn
    assert history.serving == "r3"
    assert history.interrupted is not None


def test_an_event_of_another_schema_is_refused_with_its_line(shipped: Writer) -> None:
    foreign: dict[str, Any] = json.loads(shipped.lines[1]) | {"schema": 99}
    shipped.lines[1] = json.dumps(foreign)
    with pytest.raises(MldeployError, match="line 2"):
        shipped.history  # noqa: B018


def test_states_in_words(shipped: Writer) -> None:
    shipped.rollback("r2", "r3")
    states = {row.release: row.state for row in rows_of(shipped.history)}
    assert states == {"r3": "rolled back from", "r2": "serving", "r1": "served before"}


def test_what_is_written_is_read_back_and_a_tear_never_spoils_what_follows(tmp_path: Path) -> None:
    folder = InFolder(str(tmp_path))
    first = Event(event="started", operation=1, action="rollback", release="r1", previous=None, by="ada@laptop")
    write_event(LocalExecutor(), folder, first)
    with (tmp_path / "ledger.jsonl").open("a") as file:
        file.write('{"schema": 1, "eve')
    second = first.model_copy(update={"event": "failed", "reason": "torn"})
    write_event(LocalExecutor(), folder, second)
    history = read_ledger(LocalExecutor(), folder)
    assert history.events == (first, second)
    assert history.torn


class InFolder(AppFolder):
    """An app called as the folder of its ledger, which no real one can be."""

    def __post_init__(self) -> None:
        pass

    @property
    def ledger(self) -> str:
        return f"{self.app}/ledger.jsonl"


def test_schema_number_is_written() -> None:
    event = Event(event="failed", operation=1, action="ship", release="r1", previous=None, by="x")
    assert json.loads(event.model_dump_json(by_alias=True))["schema"] == 1


def test_of_an_app_that_was_destroyed_nothing_can_be_rolled_back_to_and_no_number_comes_again() -> None:
    writer = Writer()
    writer.operate("ship", "r1", None, "started", "switched", "finished")
    writer.operate("destroy", "r1", None, "destroyed")
    history = replay("\n".join(writer.lines))
    assert (history.serving, history.releases, history.next_release) == (None, {}, "r2")
    with pytest.raises(UsageError, match="nothing to roll back to"):
        choose_target(history, None)
