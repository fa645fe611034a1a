"""One bundle, answering: it loads the model, proves it on the golden rows and answers predictions. It knows no HTTP."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from mldeploy_runtime.batching import RETRY_SOON, Batcher
from mldeploy_runtime.bundle import read_golden, read_manifest
from mldeploy_runtime.contract import build_contract
from mldeploy_runtime.golden import GoldenReport, compare
from mldeploy_runtime.keys import Signer
from mldeploy_runtime.metrics import Metrics
from mldeploy_runtime.predictions import Prediction, prediction_of, unpack_of
from mldeploy_runtime.problems import Problem
from mldeploy_runtime.shared import Memory, RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mldeploy_runtime.bundle import Manifest
    from mldeploy_runtime.contract import Row
    from mldeploy_runtime.logs import Log
    from mldeploy_runtime.predictions import Raw
    from mldeploy_runtime.settings import Settings


class Predicted(msgspec.Struct, gc=False):
    """The answer of /predict."""

    model: str
    version: str
    request_id: str
    predictions: list[Prediction]


class Service:
    """The state of the process: what it serves, whether it is ready, and how much it has in hand.

    `reason` says why it is not ready, and `settled` is set once that is decided. `in_flight` and `requests` count
    predictions asked for, from the arrival of the head until the answer is written.
    """

    def __init__(self, settings: Settings, log: Log) -> None:
        """Raises BundleError when the bundle cannot be read."""
        self.settings = settings
        self.log = log
        self.manifest: Manifest = read_manifest(settings.bundle)
        self.golden = read_golden(settings.bundle)
        self.contract = build_contract(self.manifest, settings.max_rows)
        self.ready = False
        self.reason = "the model is being loaded"
        self.settled = asyncio.Event()
        self.loaded_at: str | None = None
        self.load_seconds: float | None = None
        self.in_flight = 0
        self.requests = 0
        self.metrics = Metrics(self.manifest)
        self.batcher = Batcher(_not_loaded, settings.limits)
        memory = Memory(None)
        self.signer = Signer(memory)
        self.limiter = RateLimiter(memory)
        self._predict = prediction_of(self.manifest)

    @property
    def in_rotation(self) -> bool:
        """The host's file is the only truth, so it is looked at each time."""
        rotation = self.settings.rotation
        return rotation is None or (bool(self.settings.release) and (rotation / self.settings.release).exists())

    async def load(self) -> None:
        """Load the model and become ready, or keep the reason why not."""
        started = time.perf_counter()
        try:
            model = await asyncio.to_thread(_open, self.settings, self.manifest)

            def run(rows: Sequence[Row]) -> list[Raw]:
                columns = list(zip(*rows, strict=True))
                if self.ready:  # the golden rows of the start are no traffic
                    self.metrics.columns(columns)
                return model(columns)

            self.batcher = Batcher(run, self.settings.limits)
            report = await self.check_golden()
            self.loaded_at = datetime.now(UTC).isoformat(timespec="milliseconds")
            self.load_seconds = round(time.perf_counter() - started, 3)
            self.ready = report.holds
            self.reason = "" if report.holds else f"{report.mismatches} of {report.rows} golden rows do not match"
        except Exception as failure:
            self.reason = str(failure) or type(failure).__name__
        finally:
            self.settled.set()
            self.log.write("ready" if self.ready else "not ready", "info" if self.ready else "error", **self.status())

    def admit(self) -> None:
        """Raises Problem when no prediction can be taken on: `not-ready` or `overloaded`."""
        if not self.ready:
            raise Problem("not-ready", self.reason, headers=RETRY_SOON)
        self.batcher.admit()

    async def predict(self, body: bytes, request_id: str) -> Predicted:
        """Answer the body of a /predict request. Raises Problem."""
        asked = self.contract.decode(body)
        try:
            raws = await self.batcher.submit(asked.rows)
            predictions = [self._predict(raw, asked.threshold) for raw in raws]
        except Problem:
            raise
        except Exception as failure:
            raise Problem("model-failed", "The model could not answer these rows.") from failure
        return Predicted(self.manifest.name, self.manifest.version, request_id, predictions)

    def status(self) -> dict[str, Any]:
        """What the host asks for through the control socket."""
        return {
            "name": self.manifest.name,
            "version": self.manifest.version,
            "release": self.settings.release,
            "bundle_id": self.manifest.bundle_id,
            "ready": self.ready,
            "reason": self.reason,
            "in_rotation": self.in_rotation,
            "in_flight": self.in_flight,
            "requests": self.requests,
        }

    async def check_golden(self) -> GoldenReport:
        """Answer the golden rows as if they had been asked for in requests, and compare."""
        rows = self.golden.instances
        predictions: list[dict[str, Any]] = []
        for start in range(0, len(rows), self.settings.max_rows):
            body = msgspec.json.encode({"instances": rows[start : start + self.settings.max_rows]})
            answer = msgspec.json.encode(await self.predict(body, "golden"))
            predictions += msgspec.json.decode(answer)["predictions"]
        return compare(self.golden, predictions)


def _not_loaded(_: Sequence[Row]) -> list[Raw]:
    raise RuntimeError("the model is not loaded")


def _open(settings: Settings, manifest: Manifest) -> Callable[[list[Row]], list[Raw]]:
    """Import what takes long, load the graph, and join columns -> arrays -> session -> plain numbers."""
    from mldeploy_runtime.arrays import feed_of
    from mldeploy_runtime.session import open_session

    feed = feed_of(manifest)
    session = open_session(settings.bundle / "model.onnx", manifest)
    unpack = unpack_of(manifest)
    return lambda columns: unpack(session(feed(columns)))
