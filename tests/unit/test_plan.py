"""A plan carries out its steps in order, and a failure leaves things as they were."""

from __future__ import annotations

import signal

import pytest

from mldeploy.errors import LockLostError, MldeployError, NeedsPersonError
from mldeploy.plan import Done, Step, execute


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
    done = execute([journal.step("a"), journal.step("b")], journal.reported.append).done
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
    with pytest.raises(LockLostError):
        execute([journal.step("a"), journal.step("b", LockLostError("lost"))], journal.reported.append)
    assert journal.lines == ["do a", "do b"]


def test_a_final_step_that_fails_is_the_last_undoes_nothing_and_is_a_complaint() -> None:
    journal = Journal()
    final = [journal.step("b"), journal.step("c", MldeployError("no")), journal.step("d")]
    execution = execute([journal.step("a")], journal.reported.append, final=final)
    assert journal.lines == ["do a", "do b", "do c"]
    assert [step.says for step in execution.done] == ["a", "b"]
    assert "“c”" in execution.complaints[0]
    assert "no" in execution.complaints[0]


def test_final_steps_are_deaf_to_an_interrupt() -> None:
    journal = Journal()
    interrupting = Step("interrupt", lambda: signal.raise_signal(signal.SIGINT))
    execute([journal.step("a")], journal.reported.append, final=[interrupting, journal.step("b")])
    assert journal.lines == ["do a", "do b"]


def test_an_interrupt_after_the_last_step_and_before_the_final_ones_is_undone() -> None:
    journal = Journal()

    def interrupt(_: Done) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute([journal.step("a")], interrupt, final=[journal.step("b")])
    assert journal.lines == ["do a", "undo a"]
