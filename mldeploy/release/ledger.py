"""Contract 3: the ledger, an append-only file on the host with one JSON line an event.

Every laptop reads the same truth from it. An operation is `started`, then `switched` when the new
release serves, then `finished`; or it `failed`, and things are as they were. A load test
that a release has gone through is an event of its own, and changes nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError

from mldeploy.bundle import Record
from mldeploy.errors import MldeployError
from mldeploy.host.commands import files

if TYPE_CHECKING:
    from mldeploy.host.executor import Executor
    from mldeploy.host.layout import AppFolder

Action = Literal["ship", "rollback", "loadtest", "destroy"]


class ReleaseRecord(Record):
    """What a release is: an image by digest, and the bundle in it."""

    version: str
    bundle_id: str
    image: str
    git_commit: str | None = None
    max_error: float


class LoadtestRecord(Record):
    """What a load test of a release measured: rates a second, latencies in seconds.

    `p99_replicates_s` are what the p99 of other runs like it would have been, by which it is told from noise.
    """

    asked_rate: float
    achieved_rate: float
    rows_per_request: int
    arrivals: Literal["constant", "poisson"]
    requests: int
    errors: int
    p50_s: float
    p99_s: float
    p99_replicates_s: tuple[float, ...]
    target_p99_s: float
    target_error_rate: float
    met: bool

    @property
    def error_rate(self) -> float:
        return self.errors / self.requests

    def like(self, other: LoadtestRecord) -> bool:
        """Whether both were made with the same load, so that their latencies can be compared."""
        return (self.asked_rate, self.rows_per_request, self.arrivals) == (
            other.asked_rate,
            other.rows_per_request,
            other.arrivals,
        )


class Event(Record):
    """One line of the ledger. `at` is UTC; `operation` ties the events of one ship or rollback together."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    event: Literal["started", "switched", "finished", "failed", "tested", "destroyed"]
    operation: int
    action: Action
    release: str
    previous: str | None = None
    by: str
    record: ReleaseRecord | None = None
    reason: str | None = None
    seconds: float | None = None
    loadtest: LoadtestRecord | None = None


@dataclass(frozen=True)
class History:
    """What the ledger says. `served` is the stack of releases that served, the present one last.

    A rollback takes off it what it rolled back from, so that the next one goes further back. `loadtests` are
    those of each release, in the order of time as the releases are by their last one; `events` are all others. Of an
    app that was destroyed nothing is left but its events, so that a later release has a number of its own.
    """

    events: tuple[Event, ...] = ()
    releases: dict[str, ReleaseRecord] = field(default_factory=dict)
    loadtests: dict[str, tuple[LoadtestRecord, ...]] = field(default_factory=dict)
    served: tuple[str, ...] = ()
    interrupted: Event | None = None
    torn: bool = False

    @property
    def serving(self) -> str | None:
        return self.served[-1] if self.served else None

    @property
    def next_operation(self) -> int:
        return max((event.operation for event in self.events), default=0) + 1

    @property
    def next_release(self) -> str:
        """r1, r2, ...: short enough to type, and never used twice."""
        shipped = [int(event.release[1:]) for event in self.events if event.action == "ship"]
        return f"r{max(shipped, default=0) + 1}"

    def state_of(self, release: str) -> str:
        """In a word, for people."""
        if release == self.serving:
            return "serving"
        if release in self.served:
            return "served before"
        last = next(event for event in reversed(self.events) if event.release == release)
        if last.event == "started":
            return "interrupted"
        return "failed" if last.action == "ship" and last.event == "failed" else "rolled back from"


def replay(text: str) -> History:
    """Read a ledger. A torn last line is tolerated, and said in `torn`.

    Raises MldeployError for a line in the middle that is damaged, or of another schema.
    """
    lines, torn = _parse(text)
    events = [event for event in lines if event.loadtest is None]
    loadtests: dict[str, tuple[LoadtestRecord, ...]] = {}
    for event in lines:
        if event.loadtest:
            loadtests[event.release] = (*loadtests.pop(event.release, ()), event.loadtest)
    releases: dict[str, ReleaseRecord] = {}
    served: list[str] = []
    before: list[str] = []
    begun = 0
    interrupted: Event | None = None
    for event in events:
        if event.record:
            releases[event.release] = event.record
        interrupted = event if event.event in ("started", "switched") else None
        if event.event == "started":
            begun, before = event.operation, served.copy()
        elif event.event == "switched":
            _take_over(served, event)
        elif event.event == "failed" and event.operation == begun:
            # One whose `started` never reached the ledger has changed nothing.
            served = before
        elif event.event == "destroyed":
            served.clear()
            releases.clear()
    return History(tuple(events), releases, loadtests, tuple(served), interrupted, torn)


def _take_over(served: list[str], event: Event) -> None:
    if event.action == "rollback" and event.release in served:
        del served[served.index(event.release) + 1 :]
    else:
        served.append(event.release)


def _parse(text: str) -> tuple[list[Event], bool]:
    lines = [line for line in text.split("\n") if line.strip()]
    events: list[Event] = []
    torn = False
    for number, line in enumerate(lines, start=1):
        try:
            raw: Any = json.loads(line)
        except ValueError:
            # A power cut tears the line being written; the next event then starts a line of its own.
            torn = True
            continue
        try:
            events.append(Event.model_validate(raw))
        except ValidationError as failure:
            first = failure.errors()[0]
            raise MldeployError(
                f"line {number} of the ledger cannot be read",
                cause=f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}",
                remedy="It was written by another version of mldeploy: update this one.",
            ) from failure
    return events, torn


def read_ledger(executor: Executor, folder: AppFolder) -> History:
    return replay(executor.run(files.read(folder.ledger)).stdout)


def write_event(executor: Executor, folder: AppFolder, event: Event) -> None:
    line = event.model_dump_json(by_alias=True, exclude_none=True)
    executor.run(files.append_line(folder.ledger), stdin=line + "\n")
