"""All servers of one model, up at once and loaded in turn: what the machine does meanwhile meets all of them.

Who waits for its turn is paused: some compute a little even when nobody asks.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import joblib
import pandas as pd
import uvloop

from bench.openloop import milliseconds, offer
from bench.peers.environment import programs_of
from bench.process import LOAD_CORE, Running, free_ports, serving
from bench.wrk import run_wrk
from mldeploy.errors import MldeployError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.models import Made
    from bench.openloop import Sample
    from bench.peers.known import Row, Server

CONNECTIONS = (1, 16, 64)
STEADY_RATE = 100.0
OFFERED = (50, 100, 200, 400, 600, 800, 1_200, 1_600, 2_400, 3_200, 4_800, 6_400, 9_600)
OPEN_CONNECTIONS = 128
MOST_P99_MS = 250.0
"""Who answers more slowly does not keep up with what is offered."""

ANSWERS, LONGER = 4, 5
"""Who answers slowly is measured for longer, so many times at most, until every connection has had so many answers:
those that are under way at the end are not counted."""

ROWS = 32
QUIET = {"DO_NOT_TRACK": "true", "BENTOML_DO_NOT_TRACK": "true", "UVICORN_ACCESS_LOG": "false"}
"""What nobody who measures wants: word to the makers, and a line for each request where no option turns it off."""


@dataclass(frozen=True)
class Point:
    """Latencies in milliseconds, from when a request was due, at `offered` requests a second."""

    offered: float
    p50_ms: float
    p99_ms: float
    failed: int

    @property
    def keeps_up(self) -> bool:
        return not self.failed and self.p99_ms <= MOST_P99_MS


@dataclass
class Outcome:
    """What was measured of one server: rates of good answers by connections, a figure a round; the rest once.

    `failure` is what it said in the place of an answer, or how it ended; the largest error is that of its
    probabilities against scikit-learn's own; `curve` has a point for every rate that was offered to it.
    """

    failure: str = ""
    rates: dict[int, list[float]] = field(default_factory=dict)
    failed: int = 0
    steady: list[Sample] = field(default_factory=list)
    curve: list[Point] = field(default_factory=list)
    seconds_to_answer: float = 0.0
    megabytes: float = 0.0
    largest_error: float = 0.0

    def rate(self, connections: int) -> float:
        return statistics.median(self.rates[connections])

    def steady_ms(self, percent: int) -> float:
        return milliseconds([sample.seconds for sample in self.steady], percent)


def questions(made: Made) -> tuple[list[Row], list[list[float]]]:
    """Rows without missing values, which not every peer's JSON can say, and scikit-learn's own answers to them."""
    rows = pd.read_parquet(made.sample).dropna().head(ROWS)
    records = [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]
    return records, joblib.load(made.model).predict_proba(rows).tolist()


def variables(made: Made, row: Row) -> dict[str, str]:
    """The environment variables in which a peer finds its model and the fields of a row."""
    fields = {name: "text" if isinstance(value, str) else "number" for name, value in row.items()}
    return {"MODEL": str(made.model), "FIELDS": json.dumps(fields), "BUNDLE": str(made.bundle.path)}


def measure(
    made: Made, servers: Sequence[Server], rounds: int, seconds: int, *, with_curve: bool = False
) -> dict[str, Outcome]:
    """Every server's outcome by its name. A server that fails is left out of what comes after."""
    rows, expected = questions(made)
    outcomes = {server.name: Outcome() for server in servers}
    bodies = {server.name: [json.dumps(server.body(row)) for row in rows] for server in servers}
    with ExitStack() as stack:
        running: dict[str, Running] = {}

        def each(task: Callable[..., None], *arguments: int) -> None:
            """Do `task` with every server that is up, one after another."""
            for name, where in list(running.items()):
                where.resume()
                try:
                    task(outcomes[name], where, bodies[name], *arguments)
                except (OSError, subprocess.CalledProcessError) as failure:
                    outcomes[name].failure = f"under load: {_how_it_ended(where, failure)}"
                    del running[name]
                else:
                    where.settle()
                    where.pause()

        for server in servers:
            outcome = outcomes[server.name]
            try:
                where = stack.enter_context(_start(server, made, rows[0], stack))
                outcome.largest_error = _largest_error(server, where, rows, expected)
            except SystemExit as failure:
                outcome.failure = str(failure)
            except MldeployError as failure:
                outcome.failure = f"cannot be installed: {failure.cause}"
            else:
                outcome.seconds_to_answer = where.seconds
                running[server.name] = where
                where.pause()
        for _ in range(rounds):
            for connections in CONNECTIONS:
                each(_saturate, connections, seconds)
            each(_hold, seconds)
        each(_weigh)
        if with_curve:
            each(_climb, 2 * seconds)
    return outcomes


def _saturate(outcome: Outcome, where: Running, bodies: Sequence[str], connections: int, seconds: int) -> None:
    known = [rate for rates in outcome.rates.values() for rate in rates]
    enough = ANSWERS * connections / max([*known, 1.0])
    seconds = min(max(seconds, math.ceil(enough)), LONGER * seconds)
    figures = run_wrk(where.url, bodies, connections, seconds, LOAD_CORE)
    good = max(figures.requests - figures.failed, 0) / max(figures.requests, 1)
    outcome.rates.setdefault(connections, []).append(figures.rate * good)
    outcome.failed += figures.failed


def _hold(outcome: Outcome, where: Running, bodies: Sequence[str], seconds: int) -> None:
    samples = _offer(where, bodies, STEADY_RATE, seconds)
    outcome.steady += samples
    outcome.failed += _failed(samples)


def _weigh(outcome: Outcome, where: Running, bodies: Sequence[str]) -> None:  # noqa: ARG001 - one signature for all
    outcome.megabytes = where.memory()


def _climb(outcome: Outcome, where: Running, bodies: Sequence[str], seconds: int) -> None:
    """Offer more and more, until it does not keep up; a rate has a second chance, as the machine may have been busy."""
    for rate in OFFERED:
        point = _point(where, bodies, rate, seconds)
        if not point.keeps_up:
            where.settle()
            point = min(point, _point(where, bodies, rate, seconds), key=lambda each: (each.failed, each.p99_ms))
        outcome.curve.append(point)
        if not point.keeps_up:
            return


def _point(where: Running, bodies: Sequence[str], rate: float, seconds: int) -> Point:
    samples = _offer(where, bodies, rate, seconds)
    times = [sample.seconds for sample in samples]
    never_sent = int(rate * seconds) - len(samples)
    return Point(rate, milliseconds(times, 50), milliseconds(times, 99), _failed(samples) + never_sent)


def _offer(where: Running, bodies: Sequence[str], rate: float, seconds: float) -> list[Sample]:
    """Requests that come at `rate` whatever happens to those before."""
    path = httpx.URL(where.url).path
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
    requests = [f"{head}{len(body.encode())}\r\n\r\n{body}".encode() for body in bodies]
    return uvloop.run(offer(where.port, requests, rate, seconds, OPEN_CONNECTIONS))


def _failed(samples: Sequence[Sample]) -> int:
    return sum(sample.status != 200 for sample in samples)


def _how_it_ended(where: Running, failure: Exception) -> str:
    code = where.process.poll()
    return str(failure) if code is None else f"ended with exit code {code}"


def _start(server: Server, made: Made, row: Row, stack: ExitStack) -> Any:
    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    port = free_ports()
    programs = programs_of(server)
    argv = server.command(programs, port, made, scratch)
    env = QUIET | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"} | variables(made, row)
    return serving(argv, port, server.path, json.dumps(server.body(row)), env)


def _largest_error(server: Server, where: Running, rows: Sequence[Row], expected: Sequence[list[float]]) -> float:
    """Of all rows, asked at once: answers must not be mixed up either."""
    with httpx.Client(timeout=30) as client, ThreadPoolExecutor(len(rows)) as callers:
        answers = list(callers.map(lambda row: client.post(where.url, json=server.body(row)), rows))
    errors = [0.0]
    for answer, right in zip(answers, expected, strict=True):
        if answer.status_code != 200:
            raise SystemExit(f"{server.name} answered {answer.status_code}: {answer.text[:500]}")
        given = server.probabilities(answer.json())
        errors += [abs(one - other) for one, other in zip(given, right, strict=True)]
    return max(errors)
