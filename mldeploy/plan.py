"""A plan: steps that can say what they will do, do it, and undo it. What is shown is what is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mldeploy import interrupts
from mldeploy.errors import LockLostError, MldeployError, NeedsPersonError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Step:
    """One step. `do` returns a detail worth showing, or nothing.

    `undo` is given what failed, and must also mend a step done by half.
    """

    says: str
    do: Callable[[], str | None]
    undo: Callable[[BaseException], object] | None = None


@dataclass(frozen=True)
class Done:
    """A step that was carried out: how long it took, and at which time.monotonic() it ended, in seconds."""

    says: str
    detail: str
    seconds: float
    ended: float


Report = Callable[[Done], None]


@dataclass(frozen=True)
class Execution:
    """What was done, and what went wrong without undoing it, in words."""

    done: list[Done]
    complaints: list[str]


def execute(steps: Sequence[Step], report: Report, *, final: Sequence[Step] = ()) -> Execution:
    """Carry out the steps in order; if one fails or is interrupted, undo it and all before it, last first.

    From the first of the `final` steps there is no way back: they are deaf to Ctrl-C, and the first that
    fails is the last, and a complaint.

    Raises what made a step fail, or NeedsPersonError when undoing failed too. Without the lock nothing is
    undone: another may already be at work on the host.
    """
    done: list[Done] = []
    begun: list[Step] = []
    with ExitStack() as shield:
        try:
            for step in steps:
                begun.append(step)
                _carry_out(step, done, report)
            # Inside the try, so that an interrupt is either undone or comes too late, and never falls between.
            shield.enter_context(interrupts.ignored())
        except LockLostError:
            raise
        except BaseException as failure:
            with interrupts.ignored():
                _undo(begun, failure, report)
            raise
        for step in final:
            try:
                _carry_out(step, done, report)
            except MldeployError as failure:
                return Execution(done, [f"“{step.says}” failed: {failure.message}: {failure.cause}"])
    return Execution(done, [])


def _carry_out(step: Step, done: list[Done], report: Report) -> None:
    start = time.monotonic()
    done.append(_done(step.says, step.do(), start))
    report(done[-1])


def _undo(begun: Sequence[Step], failure: BaseException, report: Report) -> None:
    for step in reversed(begun):
        if step.undo is None:
            continue
        start = time.monotonic()
        try:
            step.undo(failure)
        except MldeployError as second:
            raise NeedsPersonError(
                f"undoing the step “{step.says}” failed",
                cause=f"{second.message}: {second.cause} (it was undone because: {failure})",
                remedy="Run the same command again once the host answers: it continues from the host's ledger.",
            ) from failure
        report(_done(f"undone: {step.says}", None, start))


def _done(says: str, detail: str | None, start: float) -> Done:
    now = time.monotonic()
    return Done(says, detail or "", now - start, now)
