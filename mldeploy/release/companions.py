"""Several hosts that act as one: none switches before all have proven the release, and where one fails until all have
stood their watch, each of the others undoes what it did."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mldeploy import interrupts
from mldeploy.errors import ExitCode, MldeployError, NeedsPersonError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mldeploy.release.outcome import Outcome

AT_ONCE = 8
"""How many hosts are worked on at a time where each is for itself; companions all wait for each other."""
TURN_SECONDS = 1


class Companions:
    """The meeting points of `count` hosts; one that acts for itself only learns there that the person had enough."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._arrived = {"proven": 0, "stood": 0}
        self._change = threading.Condition()
        self._parted = False
        self._interrupted = False
        self.publishing = threading.Lock()
        self.says = "wait until all hosts have done so" if count > 1 else "go on, unless interrupted"

    def proven(self) -> None:
        """Wait until the release has proven itself on every host."""
        self._meet("proven")

    def stood(self) -> None:
        """Wait until the release has stood its watch on every host."""
        self._meet("stood")

    def part(self, *, interrupted: bool = False) -> None:
        """Let nobody wait any longer: one host failed, or the person has had enough."""
        with self._change:
            self._parted = True
            self._interrupted = self._interrupted or interrupted
            self._change.notify_all()

    def _meet(self, name: str) -> None:
        """Go on once all have arrived. Who parts after that comes too late for each of them, be it awake yet or not."""
        with self._change:
            self._arrived[name] += not self._parted
            self._change.notify_all()
            self._change.wait_for(lambda: self._parted or self._arrived[name] == self._count)
            if self._arrived[name] == self._count:
                return
        if self._interrupted:
            raise HaltedError("it was interrupted, so this host is as it was")
        raise PartedError(
            "another host failed, so this one is as it was",
            cause="hosts that are named together switch together",
            remedy="See what that host says. --keep-going lets each host act for itself.",
        )


class PartedError(MldeployError):
    """This host had to undo its part because another one failed."""


class HaltedError(MldeployError):
    """This host undid its part, or never began, because the person had enough."""

    exit_code = ExitCode.INTERRUPTED


@dataclass(frozen=True)
class OnHosts:
    """What each host came to, by its name: an outcome, or what went wrong."""

    outcomes: dict[str, Outcome]
    failures: dict[str, MldeployError]

    def raise_failures(self) -> None:
        """Raise one MldeployError for all that failed, with the exit code that they share.

        NeedsPersonError where a person must look at one of them; else that of an interrupt where there was one.
        """
        if not self.failures:
            return
        failures = [failure for failure in self.failures.values() if not isinstance(failure, PartedError)]
        codes = {failure.exit_code for failure in failures}
        telling = next((code for code in (ExitCode.NEEDS_PERSON, ExitCode.INTERRUPTED) if code in codes), None)
        kind = NeedsPersonError if telling == ExitCode.NEEDS_PERSON else MldeployError
        error = kind(
            f"{len(self.failures)} of {len(self.failures) + len(self.outcomes)} hosts "
            + ("were interrupted" if telling == ExitCode.INTERRUPTED else "failed"),
            cause="\n".join(_line(host, failure) for host, failure in self.failures.items()),
            remedy=next((failure.remedy for failure in failures if failure.remedy), ""),
        )
        error.exit_code = telling or (codes.pop() if len(codes) == 1 else ExitCode.FAILED)
        raise error


def on_hosts(hosts: Sequence[str], act: Callable[[str, Companions | None], Outcome], *, keep_going: bool) -> OnHosts:
    """Let `act` work on all hosts side by side, as companions unless told to `keep_going`.

    On Ctrl-C each host that has not stood its watch undoes what it did, and none begins any more: HaltedError is what
    they came to. A host alone acts in this very thread, and its failure or KeyboardInterrupt is raised as it is.
    """
    if len(hosts) == 1:
        return OnHosts({hosts[0]: act(hosts[0], None)}, {})
    together = Companions(len(hosts))
    companions = {host: Companions(1) if keep_going else together for host in hosts}
    outcomes: dict[str, Outcome] = {}
    failures: dict[str, MldeployError] = {}
    work: dict[str, Future[None]] = {}

    def on(host: str) -> None:
        try:
            outcomes[host] = act(host, companions[host])
        except MldeployError as failure:
            failures[host] = failure
            companions[host].part()
        except BaseException:
            companions[host].part()
            raise

    with ThreadPoolExecutor(AT_ONCE if keep_going else len(hosts)) as pool:
        try:
            with interrupts.deferred():
                work.update((host, pool.submit(on, host)) for host in hosts)
            # In turns: Python sees a signal that came just before it began to wait only after that.
            while wait(work.values(), timeout=TURN_SECONDS).not_done:
                pass
        except KeyboardInterrupt:
            with interrupts.ignored():
                for each in companions.values():
                    each.part(interrupted=True)
                pool.shutdown(wait=True, cancel_futures=True)
    for host in hosts:
        done = work.get(host)
        if done is None or done.cancelled():
            failures[host] = HaltedError("it was interrupted before this host's turn")
        else:
            # Raises what is no MldeployError: a defect.
            done.result()
    return OnHosts({host: outcomes[host] for host in hosts if host in outcomes}, failures)


def _line(host: str, failure: MldeployError) -> str:
    return ": ".join(part for part in (host, failure.message, failure.cause) if part)
