"""What a run asks for and what it measured: the two things that pass between the generator's process and ours."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mldeploy.errors import UsageError
from mldeploy.loadtest.arrivals import Arrivals, due_times

if TYPE_CHECKING:
    from pathlib import Path

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

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
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
    def load(cls, path: Path) -> Samples:
        with np.load(path, allow_pickle=False) as saved:
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
    """What the generator's process reads on its standard input: the load, request bodies, where samples go."""

    load: Load
    access: Access
    bodies: tuple[str, ...]
    samples: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        raw = json.loads(text)
        return cls(Load(**raw["load"]), Access(**raw["access"]), tuple(raw["bodies"]), raw["samples"])


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
