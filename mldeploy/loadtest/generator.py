"""The locust user that makes the load: a request is sent when it is due, whether or not earlier ones were answered."""

from __future__ import annotations

from locust import FastHttpUser, task  # first: it patches the standard library for gevent
from locust.exception import StopUser

# isort: split
import time
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import gevent
import numpy as np
from gevent.event import Event
from gevent.pool import Pool
from gevent.socket import gaierror
from gevent.ssl import SSLError
from geventhttpclient.client import HTTPClientPool
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError

from mldeploy.loadtest.samples import Job, Pulse, Samples
from mldeploy.loadtest.trust import tls_context

HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


FAILURES: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((TimeoutError, gevent.Timeout), "timeout"),
    ((ConnectionRefusedError,), "connection refused"),
    ((ConnectionResetError, BrokenPipeError, HTTPConnectionClosed), "connection lost"),
    ((HTTPParseError,), "broken answer"),
    ((gaierror,), "unknown host"),
    ((SSLError,), "TLS failure"),
)


class Recorder:
    """The measured times of one worker's share of a job, filled in as requests are sent and answered."""

    def __init__(self, due: np.ndarray[Any, np.dtype[np.float64]]) -> None:
        self.due = due
        self.sent = np.full(len(due), np.nan)
        self.done = np.full(len(due), np.nan)
        self.kind = np.zeros(len(due), dtype=np.int16)
        self.kinds = {"": 0}
        self.answered: list[int] = []
        self.in_flight = 0
        self._told = 0

    def record(self, number: int, done: float, kind: str) -> None:
        self.done[number] = done
        self.kind[number] = self.kinds.setdefault(kind, len(self.kinds))
        self.answered.append(number)

    def pulse(self) -> Pulse:
        """How far it is, and the latencies of what was answered since this was last asked."""
        news, self._told = self.answered[self._told :], len(self.answered)
        return Pulse(
            sent=int(np.count_nonzero(~np.isnan(self.sent))),
            answered=len(self.answered),
            errors=int(np.count_nonzero(self.kind)),
            in_flight=self.in_flight,
            latencies_s=(self.done[news] - self.due[news]).tolist(),
        )

    def samples(self) -> Samples:
        """What was sent; all of it is answered by now, be it with a timeout."""
        sent = ~np.isnan(self.sent)
        return Samples(
            self.due[sent], self.sent[sent], self.done[sent], self.kind[sent], tuple(self.kinds), bool(sent.all())
        )


class Caller(FastHttpUser):
    """One locust user that sends all requests of its worker, each in its own greenlet, over one pool of connections."""

    abstract = True
    insecure = False
    max_redirects = 0
    job: Job
    recorder: Recorder
    finished: Event

    def on_start(self) -> None:
        self.path = urlsplit(self.job.load.url).path
        self.headers = HEADERS | self.job.access.headers()

    @task
    def send_what_is_due(self) -> None:
        requests = Pool(self.job.load.max_in_flight)
        self.start_time = time.perf_counter()
        for number, due in enumerate(self.recorder.due.tolist()):
            wait = due - self.elapsed()
            if wait > 0:
                gevent.sleep(wait)
            if requests.full():
                break
            requests.spawn(self.send, number)
            self.recorder.in_flight = len(requests)
        requests.join()
        self.finished.set()
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
            kind = _kind(response.status_code, response.request_meta["exception"])
            recorder.record(number, done, kind)
            if kind:
                response.failure(kind)

    def elapsed(self) -> float:
        return time.perf_counter() - self.start_time


def prepare(job: Job) -> type[Caller]:
    """The user that carries out its worker's share of `job`: a locust user is a class, made by name on every worker."""
    url, load = urlsplit(job.load.url), job.load
    due = load.due_times()[job.share :: job.shares]
    bodies = tuple(job.bodies[(job.share + job.shares * number) % len(job.bodies)] for number in range(len(job.bodies)))
    context = tls_context(job.access.authority)  # one for all connections: making one reads every root certificate
    Share.host = f"{url.scheme}://{url.netloc}"
    Share.client_pool = HTTPClientPool(
        concurrency=load.max_in_flight,
        connection_timeout=2 * load.timeout_s,
        network_timeout=2 * load.timeout_s,  # the limit on the whole request ends it first
        ssl_context_factory=lambda: context,
    )
    Share.job, Share.recorder, Share.finished = replace(job, bodies=bodies), Recorder(due), Event()
    return Share


class Share(Caller):
    """A worker's share of the job at hand, filled in by `prepare`."""


def _kind(status: int, failure: BaseException | None) -> str:
    """The name of an error for the report; "" for a good answer, which is one whose body came whole."""
    if status not in (0, 200):
        return f"HTTP {status}"
    if failure is None:
        return ""
    cause = getattr(failure, "original", failure)  # what made the client give up
    return next((name for kinds, name in FAILURES if isinstance(cause, kinds)), type(cause).__name__)
