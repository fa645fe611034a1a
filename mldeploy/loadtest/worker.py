"""The generator: locust's engine in a process of its own, so that gevent's patches stay out of ours.

Reads a Job on standard input, sends each request when it is due whether or not earlier ones were
answered, prints a Tick a second on standard output, and saves the Samples.
"""

from __future__ import annotations

from locust import FastHttpUser, task  # first: it patches the standard library for gevent
from locust.env import Environment
from locust.exception import StopUser

# isort: split
import gc
import json
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import gevent
import numpy as np
from gevent.pool import Pool
from gevent.socket import gaierror
from gevent.ssl import SSLContext, SSLError, create_default_context
from geventhttpclient.client import HTTPClientPool
from geventhttpclient.response import HTTPConnectionClosed

from mldeploy.loadtest.samples import Job, Samples, Tick

if TYPE_CHECKING:
    from collections.abc import Callable

TICK_S = 1.0
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


FAILURES: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((TimeoutError, gevent.Timeout), "timeout"),
    ((ConnectionRefusedError,), "connection refused"),
    ((ConnectionResetError, BrokenPipeError, HTTPConnectionClosed), "connection lost"),
    ((gaierror,), "unknown host"),
    ((SSLError,), "TLS failure"),
)


class Recorder:
    """The measured times, filled in as requests are sent and answered."""

    def __init__(self, due: np.ndarray[Any, np.dtype[np.float64]]) -> None:
        self.due = due
        self.sent = np.full(len(due), np.nan)
        self.done = np.full(len(due), np.nan)
        self.kind = np.zeros(len(due), dtype=np.int16)
        self.kinds = {"": 0}
        self.answered: list[int] = []

    def record(self, number: int, done: float, kind: str) -> None:
        self.done[number] = done
        self.kind[number] = self.kinds.setdefault(kind, len(self.kinds))
        self.answered.append(number)

    def samples(self) -> Samples:
        """What was sent; all of it is answered by now, be it with a timeout."""
        sent = ~np.isnan(self.sent)
        return Samples(
            self.due[sent], self.sent[sent], self.done[sent], self.kind[sent], tuple(self.kinds), bool(sent.all())
        )


class OpenLoop(FastHttpUser):
    """One locust user that sends all requests, each in its own greenlet, over one pool of kept connections."""

    abstract = True
    insecure = False
    max_redirects = 0
    job: Job
    recorder: Recorder

    def on_start(self) -> None:
        self.path = urlsplit(self.job.load.url).path
        self.headers = HEADERS | self.job.access.headers()

    @task
    def send_what_is_due(self) -> None:
        requests = Pool(self.job.load.max_in_flight)
        self.start_time = time.perf_counter()
        ticker = gevent.spawn(self.tell_progress, requests)
        for number, due in enumerate(self.recorder.due.tolist()):
            wait = due - self.elapsed()
            if wait > 0:
                gevent.sleep(wait)
            if requests.full():
                break
            requests.spawn(self.send, number)
        requests.join()
        ticker.kill()
        raise StopUser

    def send(self, number: int) -> None:
        load, recorder = self.job.load, self.recorder
        recorder.sent[number] = self.elapsed()
        body = self.job.bodies[number % len(self.job.bodies)]
        with (
            gevent.Timeout(load.timeout_s),
            self.client.post(self.path, data=body, headers=self.headers, catch_response=True) as response,
        ):
            done = self.elapsed()
            # Locust's own figures count from when a request was due as well.
            response.request_meta["response_time"] = (done - recorder.due[number]) * 1000
            kind = _kind(response.status_code, response.error if response.status_code == 0 else None)
            recorder.record(number, done, kind)
            if kind:
                response.failure(kind)

    def elapsed(self) -> float:
        return time.perf_counter() - self.start_time

    def tell_progress(self, requests: Pool) -> None:
        seen = 0
        while True:
            gevent.sleep(TICK_S)
            recorder = self.recorder
            answered = recorder.answered[seen:]
            seen += len(answered)
            latencies = recorder.done[answered] - recorder.due[answered]
            p50, p95, p99 = np.percentile(latencies, [50, 95, 99]).tolist() if answered else [np.nan] * 3
            sent = int(np.count_nonzero(~np.isnan(recorder.sent)))
            errors = int(np.count_nonzero(recorder.kind))
            tick = Tick(self.elapsed(), sent, seen, errors, len(requests), p50, p95, p99)
            print(json.dumps(asdict(tick)), flush=True)


def _kind(status: int, failure: BaseException | None) -> str:
    """The name of an error for the report; "" for a good answer."""
    if status:
        return "" if status == 200 else f"HTTP {status}"
    cause = getattr(failure, "original", failure)  # what made the client give up
    return next((name for kinds, name in FAILURES if isinstance(cause, kinds)), type(cause).__name__)


def _shared_context(authority: str | None) -> Callable[[], SSLContext]:
    """One TLS context for all connections: making one reads every root certificate."""
    context = create_default_context()
    if authority:
        context.load_verify_locations(cadata=authority)
    return lambda: context


def run(job: Job) -> Samples:
    """Carry out `job` in this process."""
    url = urlsplit(job.load.url)
    load = job.load
    recorder = Recorder(load.due_times())
    pool = HTTPClientPool(
        concurrency=load.max_in_flight,
        connection_timeout=2 * load.timeout_s,
        network_timeout=2 * load.timeout_s,  # the limit on the whole request ends it first
        ssl_context_factory=_shared_context(job.access.authority),
    )
    user = type(
        "Caller",
        (OpenLoop,),
        {
            "abstract": False,
            "host": f"{url.scheme}://{url.netloc}",
            "client_pool": pool,
            "job": job,
            "recorder": recorder,
        },
    )
    runner = Environment(user_classes=[user]).create_local_runner()
    runner.spawn_users({user.__name__: 1}, wait=True)
    return recorder.samples()


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    job = Job.from_json(sys.stdin.read())
    gc.freeze()  # what is loaded by now need not be searched again while requests are being timed
    run(job).save(Path(job.samples))


if __name__ == "__main__":
    main()
