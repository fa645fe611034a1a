"""A plan: steps that can say what they will do, do it, and undo it. What is shown is what is done."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mldeploy.errors import LockedError, MldeployError, NeedsPersonError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


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


def execute(steps: Sequence[Step], report: Report) -> list[Done]:
    """Carry out the steps in order; if one fails or is interrupted, undo it and all before it, last first.

    Raises what made the step fail, or NeedsPersonError when undoing failed too. Without the lock nothing
    is undone: another may already be at work on the host.
    """
    done: list[Done] = []
    begun: list[Step] = []
    try:
        for step in steps:
            begun.append(step)
            start = time.monotonic()
            done.append(_done(step.says, step.do(), start))
            report(done[-1])
    except LockedError:
        raise
    except BaseException as failure:
        with _uninterrupted():
            _undo(begun, failure, report)
        raise
    return done


def complete(steps: Sequence[Step], report: Report) -> tuple[list[Done], list[str]]:
    """Carry out steps from which there is no way back, deaf to Ctrl-C; the first that fails is the last.

    Returns what was done, and what failed in words: what came before stands, so it is no error.
    """
    done: list[Done] = []
    with _uninterrupted():
        for step in steps:
            start = time.monotonic()
            try:
                done.append(_done(step.says, step.do(), start))
            except MldeployError as failure:
                return done, [f"“{step.says}” failed: {failure.message}: {failure.cause}"]
            report(done[-1])
    return done, []


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


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C must stop neither undoing nor completing half way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
