"""What a run asks for and what it measured: the two things that pass between the generator's process and ours."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from mldeploy.errors import UsageError
from mldeploy.loadtest.arrivals import Arrivals, due_times

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

MAX_DURATION_S = 3600.0


@dataclass(frozen=True)
class Load:
    """The load of one run: `rate` requests a second of `rows_per_request` rows each to `url`.

    The rate rises for `ramp_s` seconds, is held for `warmup_s`, and then measured for `duration_s`. A request
    without an answer after `timeout_s` is an error. With `max_in_flight` requests unanswered at once the run
    ends: the generator can hold no more, so it could no longer keep the rate.
    """

    url: str
    rate: float
    duration_s: float
    warmup_s: float = 0.0
    ramp_s: float = 0.0
    rows_per_request: int = 1
    arrivals: Arrivals = "constant"
    timeout_s: float = 10.0
    max_in_flight: int = 4096
    seed: int = 0

    def __post_init__(self) -> None:
        if self.total_s > MAX_DURATION_S:
            raise UsageError(
                f"a run may last {MAX_DURATION_S:.0f} s, ramp and warm-up included",
                cause=f"asked for {self.total_s:.0f} s",
            )

    @property
    def measured_from_s(self) -> float:
        return self.ramp_s + self.warmup_s

    @property
    def total_s(self) -> float:
        return self.measured_from_s + self.duration_s

    def due_times(self) -> NDArray[np.float64]:
        return due_times(self.rate, self.total_s, self.arrivals, self.seed, self.ramp_s)


@dataclass(frozen=True)
class Access:
    """What lets requests in: an API key, and the PEM of an authority to trust beside the usual ones.

    It is no part of the load, so that no report of one holds the key.
    """

    key: str | None = field(default=None, repr=False)
    authority: str | None = None

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


OPEN = Access()


@dataclass(frozen=True)
class Workers:
    """Who sends: `count` processes of this machine; or, listening at `address`, so many from anywhere.

    They may take `join_s` seconds to come.
    """

    count: int = 1
    address: str | None = None
    join_s: float = 600.0


ALONE = Workers()


@dataclass(frozen=True)
class Samples:
    """Every request of a run, in the order they were due.

    `due`, `sent` and `done` are seconds from the start, float64 [requests]; `kind` int16 [requests]
    indexes `kinds`, whose first entry, "", means a good answer. `complete` is false when the run ended
    before all that was due had been sent.
    """

    due: NDArray[np.float64]
    sent: NDArray[np.float64]
    done: NDArray[np.float64]
    kind: NDArray[np.int16]
    kinds: tuple[str, ...]
    complete: bool

    def measured(self, load: Load) -> Samples:
        """Those due after ramp and warm-up; all of them where so many waited that the run ended before."""
        chosen = self.due >= load.measured_from_s
        if not self.complete and not chosen.any():
            return self
        return replace(
            self, due=self.due[chosen], sent=self.sent[chosen], done=self.done[chosen], kind=self.kind[chosen]
        )

    def save(self, file: Path | BinaryIO) -> None:
        np.savez(
            file,
            due=self.due,
            sent=self.sent,
            done=self.done,
            kind=self.kind,
            kinds=np.array(self.kinds),
            complete=np.array(self.complete),
        )

    @classmethod
    def merge(cls, parts: Sequence[Samples]) -> Samples:
        """The samples of several workers as those of one run; each counts from its own start."""
        names = {name: None for part in parts for name in part.kinds}
        numbers = {name: number for number, name in enumerate(names)}
        kind = np.concatenate([np.array([numbers[name] for name in part.kinds])[part.kind] for part in parts])
        due = np.concatenate([part.due for part in parts])
        order = np.argsort(due, kind="stable")
        return cls(
            due[order],
            np.concatenate([part.sent for part in parts])[order],
            np.concatenate([part.done for part in parts])[order],
            kind[order].astype(np.int16),
            tuple(names),
            all(part.complete for part in parts),
        )

    @classmethod
    def load(cls, file: Path | BinaryIO) -> Samples:
        with np.load(file, allow_pickle=False) as saved:
            return cls(
                saved["due"],
                saved["sent"],
                saved["done"],
                saved["kind"],
                tuple(str(kind) for kind in saved["kinds"]),
                bool(saved["complete"]),
            )


@dataclass(frozen=True)
class Job:
    """What the generator's process reads on its standard input: the load, request bodies, where samples go.

    Every one of `shares` workers sends each `shares`-th request, from its own number `share` on.
    """

    load: Load
    access: Access
    bodies: tuple[str, ...]
    samples: str
    workers: Workers = ALONE
    share: int = 0
    shares: int = 1

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        raw = json.loads(text)
        parts = {"load": Load(**raw["load"]), "access": Access(**raw["access"]), "workers": Workers(**raw["workers"])}
        return cls(**raw | parts | {"bodies": tuple(raw["bodies"])})


@dataclass(frozen=True)
class Pulse:
    """How far one worker is: counts so far, and the latencies in seconds of what was answered since its last pulse."""

    sent: int
    answered: int
    errors: int
    in_flight: int
    latencies_s: list[float]


@dataclass(frozen=True)
class Tick:
    """One second of a running load, for the live view. Latencies in seconds; NaN when nothing was answered."""

    elapsed_s: float
    sent: int
    answered: int
    errors: int
    in_flight: int
    p50_s: float
    p95_s: float
    p99_s: float

    @classmethod
    def of(cls, elapsed_s: float, pulses: Sequence[Pulse]) -> Tick:
        """What all workers together did."""
        latencies = [latency for pulse in pulses for latency in pulse.latencies_s]
        p50, p95, p99 = np.percentile(latencies, [50, 95, 99]).tolist() if latencies else [np.nan] * 3
        return cls(
            elapsed_s,
            sum(pulse.sent for pulse in pulses),
            sum(pulse.answered for pulse in pulses),
            sum(pulse.errors for pulse in pulses),
            sum(pulse.in_flight for pulse in pulses),
            p50,
            p95,
            p99,
        )
