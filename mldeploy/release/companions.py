"""Several hosts that act as one: none switches before all have proven the release, and where one fails until all have
stood their watch, each of the others undoes what it did."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError, NeedsPersonError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mldeploy.release.outcome import Outcome

AT_ONCE = 8
"""How many hosts are worked on at a time where each is for itself; companions all wait for each other."""


class Companions:
    """The meeting points of `count` hosts."""

    def __init__(self, count: int) -> None:
        self._points = {name: threading.Barrier(count) for name in ("proven", "stood")}
        self.publishing = threading.Lock()

    def proven(self) -> None:
        """Wait until the release has proven itself on every host."""
        self._meet("proven")

    def stood(self) -> None:
        """Wait until the release has stood its watch on every host."""
        self._meet("stood")

    def part(self) -> None:
        """Let nobody wait any longer: one host failed, or the person has had enough."""
        for point in self._points.values():
            point.abort()

    def _meet(self, name: str) -> None:
        try:
            self._points[name].wait()
        except threading.BrokenBarrierError as failure:
            raise PartedError(
                "another host failed, so this one is as it was",
                cause="hosts that are named together switch together",
                remedy="See what that host says. --keep-going lets each host act for itself.",
            ) from failure


class PartedError(MldeployError):
    """This host had to undo its part because another one failed."""


@dataclass(frozen=True)
class OnHosts:
    """What each host came to, by its name: an outcome, or what went wrong."""

    outcomes: dict[str, Outcome]
    failures: dict[str, MldeployError]

    def raise_failures(self) -> None:
        """Raise one MldeployError for all that failed; NeedsPersonError where a person must look at one of them."""
        if not self.failures:
            return
        lines = [f"{host}: {failure.message}: {failure.cause}" for host, failure in self.failures.items()]
        stuck = any(isinstance(failure, NeedsPersonError) for failure in self.failures.values())
        kind = NeedsPersonError if stuck else MldeployError
        raise kind(
            f"{len(self.failures)} of {len(self.failures) + len(self.outcomes)} hosts failed",
            cause="\n".join(lines),
            remedy=next((f.remedy for f in self.failures.values() if not isinstance(f, PartedError)), ""),
        )


def on_hosts(hosts: Sequence[str], act: Callable[[str, Companions | None], Outcome], *, keep_going: bool) -> OnHosts:
    """Let `act` work on all hosts side by side, as companions unless told to `keep_going`.

    On Ctrl-C companions part, all are undone, and KeyboardInterrupt is raised again. A host alone acts in this very
    thread, and its failure is raised as it is.
    """
    if len(hosts) == 1:
        return OnHosts({hosts[0]: act(hosts[0], None)}, {})
    companions = None if keep_going else Companions(len(hosts))
    outcomes: dict[str, Outcome] = {}
    failures: dict[str, MldeployError] = {}

    def on(host: str) -> None:
        try:
            outcomes[host] = act(host, companions)
        except MldeployError as failure:
            failures[host] = failure
            if companions:
                companions.part()
        except BaseException:
            if companions:
                companions.part()
            raise

    with ThreadPoolExecutor(AT_ONCE if keep_going else len(hosts)) as pool:
        work = [pool.submit(on, host) for host in hosts]
        try:
            for each in work:
                each.result()
        except BaseException:
            if companions:
                companions.part()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return OnHosts({host: outcomes[host] for host in hosts if host in outcomes}, failures)
