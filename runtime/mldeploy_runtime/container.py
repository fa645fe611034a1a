"""What holds for the container as a whole, whatever the number of its workers.

Each worker writes its own numbers and all read everybody's; the process that has the control socket reads them too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mldeploy_runtime.circuit import Circuit
from mldeploy_runtime.keys import Signer
from mldeploy_runtime.prediction_log import LOST
from mldeploy_runtime.shared import Board, RateLimiter

if TYPE_CHECKING:
    from mldeploy_runtime.bundle import Manifest
    from mldeploy_runtime.settings import Settings
    from mldeploy_runtime.shared import Memory

# Places in a worker's numbers.
PROCESS, LISTENS, SETTLED, READY, IN_FLIGHT, REQUESTS = range(6)
OF_THE_PROCESS = (PROCESS, LISTENS, SETTLED, READY, IN_FLIGHT)


class Worker:
    """What one worker lets the others know: `numbers`, and in `reason` why it is not ready.

    `queued` is how many requests wait for the next run, `log_lost` how many lines of the log were dropped;
    `predictions_logged` are the lines of the prediction log that were written, and the two ways they can be lost.
    """

    def __init__(self, memory: Memory) -> None:
        self.numbers = memory.numbers(6)
        self.reason = Board(memory, str, "the model is being loaded", size=1024)
        self.queued = memory.numbers(1)
        self.log_lost = memory.numbers(1)
        self.predictions_logged = memory.numbers(3)

    def forget(self) -> None:
        """The process has ended: what it had in hand is gone, and what it has counted stays."""
        for place in OF_THE_PROCESS:
            self.numbers[place] = 0.0
        self.queued[0] = 0.0


class Container:
    """`limiter`, `circuit` and `signer` are the same in all workers."""

    def __init__(self, settings: Settings, manifest: Manifest, memory: Memory, workers: int) -> None:
        self.settings = settings
        self.manifest = manifest
        self.workers = [Worker(memory) for _ in range(workers)]
        self.limiter = RateLimiter(memory)
        self.signer = Signer(memory)
        self.circuit = Circuit(memory, settings.circuit_failures, settings.circuit_seconds)

    @property
    def in_rotation(self) -> bool:
        """The host's file is the only truth, so it is looked at each time."""
        rotation, release = self.settings.rotation, self.settings.release
        return rotation is None or (bool(release) and (rotation / release).exists())

    @property
    def ready(self) -> bool:
        """Whether every worker that takes connections can answer."""
        listening = [worker.numbers[READY] for worker in self.workers if worker.numbers[LISTENS]]
        return bool(listening) and all(listening)

    @property
    def reason(self) -> str:
        """Why it is not ready."""
        if self.ready:
            return ""
        failed = [worker for worker in self.workers if worker.numbers[SETTLED] and not worker.numbers[READY]]
        reason: str = [*failed, *self.workers][0].reason.read()
        return reason

    @property
    def settled(self) -> bool:
        """Whether it is decided how the start ended: all workers are ready, or one will not be."""
        return all(worker.numbers[READY] for worker in self.workers) or any(
            worker.numbers[SETTLED] and not worker.numbers[READY] for worker in self.workers
        )

    @property
    def in_flight(self) -> int:
        """Predictions asked for and not yet answered."""
        return self.total(IN_FLIGHT)

    def total(self, place: int) -> int:
        """The sum over the workers of one of their numbers."""
        return int(sum(worker.numbers[place] for worker in self.workers))

    def status(self) -> dict[str, Any]:
        """What the host asks for through the control socket."""
        return {
            "name": self.manifest.name,
            "version": self.manifest.version,
            "release": self.settings.release,
            "bundle_id": self.manifest.bundle_id,
            "ready": self.ready,
            "reason": self.reason,
            "degraded": self.circuit.is_open,
            "in_rotation": self.in_rotation,
            "in_flight": self.in_flight,
            "requests": self.total(REQUESTS),
            "predictions_lost": int(sum(sum(worker.predictions_logged[LOST:]) for worker in self.workers)),
            "workers": sum(bool(worker.numbers[READY]) for worker in self.workers),
        }
