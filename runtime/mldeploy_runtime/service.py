"""One bundle, answering: it loads the model, proves it on the golden rows and answers predictions. It knows no HTTP."""

from __future__ import annotations

import asyncio
import math
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType

from mldeploy_runtime.batching import RETRY_SOON, Batcher, RowsFailedError
from mldeploy_runtime.bundle import read_baseline, read_golden, read_manifest, with_settings
from mldeploy_runtime.container import LISTENS, PROCESS, READY, SETTLED, Container
from mldeploy_runtime.contract import build_contract
from mldeploy_runtime.fallback import fallback_of
from mldeploy_runtime.golden import GoldenReport, compare
from mldeploy_runtime.metrics import Metrics, Traffic
from mldeploy_runtime.prediction_log import PredictionLog
from mldeploy_runtime.predictions import Prediction, prediction_of, unpack_of
from mldeploy_runtime.problems import KINDS, FieldError, Problem
from mldeploy_runtime.shared import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mldeploy_runtime.bundle import Manifest
    from mldeploy_runtime.contract import Asked, Row
    from mldeploy_runtime.logs import Log
    from mldeploy_runtime.predictions import Raw
    from mldeploy_runtime.settings import Settings
    from mldeploy_runtime.workers import Place


class RowError(msgspec.Struct):
    """Why a row has no answer, named as problems are; the log has the details under the request id."""

    type: str
    title: str
    request_id: str


class FailedRow(msgspec.Struct, gc=False):
    """What stands in place of a row's prediction when the model failed on it."""

    error: RowError


class Predicted(msgspec.Struct, gc=False):
    """The answer of /predict. `fallback` is there when the model was not asked; `warnings` are the first unseen
    categories, where the manifest says that they are told."""

    model: str
    version: str
    request_id: str
    predictions: Sequence[Prediction | FailedRow]
    warnings: tuple[FieldError, ...] | UnsetType = UNSET
    fallback: bool | UnsetType = UNSET


class Service:
    """One worker: it serves what the container serves, is ready or not, and shares what it counts with the others.

    `reason` says why it is not ready. `metrics` are its own, `all_metrics` those of all workers.
    """

    def __init__(self, settings: Settings, log: Log, place: Place | None = None) -> None:
        """The worker at `place`, or the only one. Raises BundleError when the bundle cannot be served."""
        self.settings = settings
        bundled = read_manifest(settings.bundle)
        self.manifest = with_settings(bundled, settings)
        self.memory = Memory(place.memory_fd if place else None)
        self.container = Container(settings, self.manifest, self.memory, place.workers if place else 1)
        self.index = place.index if place else 0
        self.state = self.container.workers[self.index]
        self.numbers = self.state.numbers
        self.numbers[PROCESS] = os.getpid()
        self.numbers[LISTENS] = place is None or place.listens_at_once
        self.log = log
        log.lost = self.state.log_lost
        self.golden = read_golden(settings.bundle)
        baseline = read_baseline(settings.bundle)
        self.contract = build_contract(self.manifest, settings.max_rows)
        # The golden rows hold unseen categories where the model takes them, whether the server is to or not.
        self._golden_contract = build_contract(bundled, settings.max_rows)
        self.ready = False
        self.reason = "the model is being loaded"
        self.loaded_at: str | None = None
        self.load_seconds: float | None = None
        self.all_metrics = [Metrics(self.memory, self.manifest, baseline) for _ in self.container.workers]
        self.metrics = self.all_metrics[self.index]
        self.count_traffic(())
        self.batcher = Batcher(_not_loaded, settings.limits)
        self._predict = prediction_of(self.manifest)
        self.prediction_log: PredictionLog | None = None
        if settings.prediction_log.folder is not None:
            self.prediction_log = PredictionLog(settings, self.manifest, log, self.state.predictions_logged)
        self._fallback = fallback_of(self.manifest, baseline, settings.fallback)

    def count_traffic(self, routes: Iterable[str]) -> None:
        """Let `traffic` be where this worker counts what comes to these routes; `all_traffic` is that of all."""
        self.all_traffic = [Traffic(self.memory, routes) for _ in self.container.workers]
        self.traffic = self.all_traffic[self.index]

    async def load(self) -> None:
        """Load the model and become ready, or keep the reason why not."""
        started = time.perf_counter()
        try:
            model = await asyncio.to_thread(_open, self.settings, self.manifest)

            def run(rows: Sequence[Row]) -> list[Raw]:
                columns = list(zip(*rows, strict=True))
                raws = model(columns)
                if self.ready:  # the golden rows of the start are no traffic
                    self.metrics.columns(columns)
                return raws

            self.batcher = Batcher(run, self.settings.limits, self.metrics.inference.observe, self.state.queued)
            report = await self.check_golden()
            self.loaded_at = datetime.now(UTC).isoformat(timespec="milliseconds")
            self.load_seconds = round(time.perf_counter() - started, 3)
            self.ready = report.holds
            self.reason = "" if report.holds else f"{report.mismatches} of {report.rows} golden rows do not match"
        except Exception as failure:
            self.reason = str(failure) or type(failure).__name__
        finally:
            self.state.reason.write(self.reason[:200])
            self.numbers[READY] = self.ready
            self.numbers[SETTLED] = True
            event, level = ("ready", "info") if self.ready else ("not ready", "error")
            about = {name: getattr(self.manifest, name) for name in ("name", "version", "bundle_id")}
            self.log.write(event, level, **about, release=self.settings.release, reason=self.reason, worker=self.index)

    def admit(self) -> None:
        """Raises Problem when no prediction can be taken on: `not-ready` or `overloaded`."""
        if not self.ready:
            raise Problem("not-ready", self.reason, headers=RETRY_SOON)
        self.batcher.admit()

    async def predict(self, body: bytes, request_id: str, key: str = "", *, rows_may_fail: bool = True) -> Predicted:
        """Answer the body of a /predict request that came with the key named `key`.

        Raises Problem; where `rows_may_fail` only if no row is answered.
        """
        asked = self.contract.decode(body)
        answer = self.answer_without_model(asked, request_id, key)
        if answer is not None:
            return answer
        outcome: list[Raw] | Exception
        try:
            outcome = await self.batcher.submit(asked.rows)
        except Exception as failure:
            outcome = failure
        return self.answer(asked, outcome, request_id, key, rows_may_fail=rows_may_fail)

    def answer_without_model(self, asked: Asked, request_id: str, key: str) -> Predicted | None:
        """The answer while the circuit is open, None while it is not. Raises Problem where nothing falls back."""
        if not self.container.circuit.blocks():
            return None
        answer = self._fall_back(len(asked.rows), self._threshold(asked), request_id)
        if self.prediction_log is not None:
            self.prediction_log.add(request_id, key, asked.rows, answer.predictions, fallback=True)
        return answer

    def answer(
        self, asked: Asked, outcome: list[Raw] | Exception, request_id: str, key: str, *, rows_may_fail: bool = True
    ) -> Predicted:
        """The answer from what the batcher told. Raises Problem; where `rows_may_fail` only if no row is answered."""
        threshold = self._threshold(asked)
        predictions: list[Any]
        if isinstance(outcome, list):
            answered = predictions = [self._predict(raw, threshold) for raw in outcome]
        elif isinstance(outcome, Problem):
            raise outcome
        else:
            failed = outcome if isinstance(outcome, RowsFailedError) else RowsFailedError([outcome] * len(asked.rows))
            if isinstance(failed.first, Problem):  # an original refuses rows, where a graph answers all or fails
                raise failed.first from None
            predictions = self._around_failures(failed, threshold, request_id)
            answered = [prediction for prediction in predictions if not isinstance(prediction, FailedRow)]
            if not answered or not rows_may_fail:
                if not answered:
                    self.container.circuit.failed()
                raise Problem("model-failed", "The model could not answer these rows.") from failed.first
        self.container.circuit.succeeded()
        self.metrics.predictions(answered)
        if self.prediction_log is not None:
            self.prediction_log.add(request_id, key, asked.rows, predictions, fallback=False)
        return Predicted(self.manifest.name, self.manifest.version, request_id, predictions, asked.warnings or UNSET)

    def _threshold(self, asked: Asked) -> float | None:
        return self.settings.threshold if asked.threshold is None else asked.threshold

    def _around_failures(self, failed: RowsFailedError, threshold: float | None, request_id: str) -> list[Any]:
        """A prediction for each row, or what stands in its place."""
        error = RowError("/docs#model-failed", KINDS["model-failed"].title, request_id)
        predictions = [
            FailedRow(error) if isinstance(raw, Exception) else self._predict(raw, threshold) for raw in failed.outcome
        ]
        self.metrics.failed_rows[0] += sum(isinstance(raw, Exception) for raw in failed.outcome)
        self.log.write("rows failed", "error", request_id=request_id, rows=len(predictions), error=str(failed.first))
        return predictions

    def _fall_back(self, rows: int, threshold: float | None, request_id: str) -> Predicted:
        """The answer while the circuit is open."""
        if self._fallback is None:
            wait = b"%d" % math.ceil(self.container.circuit.wait)
            raise Problem("circuit-open", "The model has failed repeatedly.", headers=((b"retry-after", wait),))
        self.metrics.fallback_rows[0] += rows
        predictions = [self._predict(self._fallback, threshold)] * rows
        return Predicted(self.manifest.name, self.manifest.version, request_id, predictions, fallback=True)

    async def check_golden(self) -> GoldenReport:
        """Answer the golden rows through the contract and the model, and compare."""
        instances = self.golden.instances
        predictions: list[Prediction] = []
        for start in range(0, len(instances), self.settings.max_rows):
            body = msgspec.json.encode({"instances": instances[start : start + self.settings.max_rows]})
            raws = await self.batcher.submit(self._golden_contract.decode(body).rows)
            predictions += [self._predict(raw, None) for raw in raws]
        return compare(self.golden, msgspec.json.decode(msgspec.json.encode(predictions)))


def _not_loaded(_: Sequence[Row]) -> list[Raw]:
    raise RuntimeError("the model is not loaded")


def _open(settings: Settings, manifest: Manifest) -> Callable[[list[Row]], list[Raw]]:
    """Import what takes long, load the model, and join columns -> arrays -> session -> plain numbers."""
    if manifest.backend == "native":
        from mldeploy_runtime.native import open_original

        return open_original(settings.bundle, manifest)
    from mldeploy_runtime.arrays import feed_of
    from mldeploy_runtime.session import open_session
    from mldeploy_runtime.store import model_file

    feed = feed_of(manifest)
    session = open_session(model_file(settings.bundle, settings.models), manifest)
    unpack = unpack_of(manifest)
    return lambda columns: unpack(session(feed(columns)))
