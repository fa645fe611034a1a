"""A plan carries out its steps in order, and a failure leaves things as they were."""

from __future__ import annotations

import signal

import pytest

from mldeploy.errors import LockedError, MldeployError, NeedsPersonError
from mldeploy.plan import Done, Step, complete, execute


class Journal:
    """Steps that note what happens to them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.reported: list[Done] = []

    def step(self, name: str, failure: BaseException | None = None, undo_failure: MldeployError | None = None) -> Step:
        def do() -> str:
            self.lines.append(f"do {name}")
            if failure:
                raise failure
            return f"did {name}"

        def undo(_: BaseException) -> None:
            self.lines.append(f"undo {name}")
            if undo_failure:
                raise undo_failure

        return Step(name, do, undo)


def test_steps_run_in_order_and_are_reported_with_their_detail() -> None:
    journal = Journal()
    done = execute([journal.step("a"), journal.step("b")], journal.reported.append)
    assert journal.lines == ["do a", "do b"]
    assert [(step.says, step.detail) for step in done] == [("a", "did a"), ("b", "did b")]
    assert journal.reported == done


@pytest.mark.parametrize("failure", [MldeployError("no"), KeyboardInterrupt(), RuntimeError("bug")])
def test_a_failure_undoes_the_failed_step_and_all_before_it_last_first(failure: BaseException) -> None:
    journal = Journal()
    steps = [journal.step("a"), journal.step("b", failure), journal.step("c")]
    with pytest.raises(type(failure)):
        execute(steps, journal.reported.append)
    assert journal.lines == ["do a", "do b", "undo b", "undo a"]


def test_a_failed_undo_calls_for_a_person_and_names_the_step() -> None:
    journal = Journal()
    steps = [journal.step("a", undo_failure=MldeployError("gone")), journal.step("b", MldeployError("no"))]
    with pytest.raises(NeedsPersonError, match="“a”"):
        execute(steps, journal.reported.append)


def test_without_the_lock_nothing_is_undone() -> None:
    journal = Journal()
    with pytest.raises(LockedError):
        execute([journal.step("a"), journal.step("b", LockedError("lost"))], journal.reported.append)
    assert journal.lines == ["do a", "do b"]


def test_completing_stops_at_a_failure_undoes_nothing_and_says_what_failed() -> None:
    journal = Journal()
    steps = [journal.step("a"), journal.step("b", MldeployError("no")), journal.step("c")]
    done, complaints = complete(steps, journal.reported.append)
    assert journal.lines == ["do a", "do b"]
    assert [step.says for step in done] == ["a"]
    assert "“b”" in complaints[0]
    assert "no" in complaints[0]


def test_completing_is_deaf_to_an_interrupt() -> None:
    journal = Journal()
    interrupting = Step("interrupt", lambda: signal.raise_signal(signal.SIGINT))
    complete([interrupting, journal.step("a")], journal.reported.append)
    assert journal.lines == ["do a"]
