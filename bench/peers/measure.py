"""All servers of one model, up at once and loaded in turn: what the machine does meanwhile meets all of them."""

from __future__ import annotations

import json
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import joblib
import pandas as pd

from bench.peers.environment import programs_of
from bench.process import LOAD_CORE, Running, free_ports, serving
from bench.wrk import run_wrk
from mldeploy.loadtest.report import Target, summarize
from mldeploy.loadtest.run import send
from mldeploy.loadtest.samples import Load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.models import Made
    from bench.peers.known import Row, Server

CONNECTIONS = (1, 16, 64)
STEADY_RATE = 100.0
ROWS = 32


@dataclass
class Outcome:
    """What was measured of one server: rates by connections, a figure a round; the rest once.

    `failure` is what it said in the place of an answer; the largest error is that of its probabilities against
    scikit-learn's own.
    """

    failure: str = ""
    rates: dict[int, list[float]] = field(default_factory=dict)
    failed: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    seconds_to_answer: float = 0.0
    megabytes: float = 0.0
    largest_error: float = 0.0

    def rate(self, connections: int) -> float:
        return statistics.median(self.rates[connections])


def questions(made: Made) -> tuple[list[Row], list[list[float]]]:
    """Rows without missing values, which not every peer's JSON can say, and scikit-learn's own answers to them."""
    rows = pd.read_parquet(made.sample).dropna().head(ROWS)
    records = [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]
    return records, joblib.load(made.model).predict_proba(rows).tolist()


def measure(made: Made, servers: Sequence[Server], rounds: int, seconds: float) -> dict[str, Outcome]:
    """Every server's outcome by its name. A server that fails is left out of what comes after."""
    rows, expected = questions(made)
    outcomes = {server.name: Outcome() for server in servers}
    with ExitStack() as stack:
        running = {}
        for server in servers:
            try:
                running[server.name] = stack.enter_context(_start(server, made, rows[0], stack))
            except SystemExit as failure:
                outcomes[server.name].failure = str(failure)
        up = [server for server in servers if server.name in running]
        for server in up:
            outcome, where = outcomes[server.name], running[server.name]
            outcome.seconds_to_answer = where.seconds
            outcome.largest_error = _largest_error(server, where, rows, expected)
        for _ in range(rounds):
            for connections in CONNECTIONS:
                for server in up:
                    bodies = [json.dumps(server.body(row)) for row in rows]
                    figures = run_wrk(running[server.name].url, bodies, connections, seconds, LOAD_CORE)
                    outcomes[server.name].rates.setdefault(connections, []).append(figures.rate)
                    outcomes[server.name].failed += figures.failed
        for server in up:
            outcome, where = outcomes[server.name], running[server.name]
            outcome.p50_ms, outcome.p99_ms = steady(server, where, rows, STEADY_RATE, seconds=5)
            outcome.megabytes = where.memory()
    return outcomes


def steady(server: Server, where: Running, rows: Sequence[Row], rate: float, seconds: float) -> tuple[float, float]:
    """p50 and p99 in milliseconds of requests that come at `rate` whatever happens to those before."""
    load = Load(where.url, rate=rate, duration_s=seconds, warmup_s=0.5, timeout_s=5.0)
    samples = send(load, [json.dumps(server.body(row)) for row in rows])
    result = summarize(load, samples, Target(p99_s=60.0, max_error_rate=1.0))
    return result.p50_s * 1000, result.p99_s * 1000


def _start(server: Server, made: Made, row: Row, stack: ExitStack) -> Any:
    scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    port = free_ports()
    argv = server.command(programs_of(server), port, made, scratch)
    env = {"MODEL": str(made.model), "SAMPLE": str(made.sample), "BUNDLE": str(made.bundle.path)}
    return serving(argv, port, server.path, json.dumps(server.body(row)), env)


def _largest_error(server: Server, where: Running, rows: Sequence[Row], expected: Sequence[list[float]]) -> float:
    errors = [0.0]
    with httpx.Client(timeout=30) as client:
        for row, right in zip(rows, expected, strict=True):
            answer = client.post(where.url, json=server.body(row))
            if answer.status_code != 200:
                raise SystemExit(f"{server.name} answered {answer.status_code}: {answer.text[:500]}")
            given = server.probabilities(answer.json())
            errors += [abs(one - other) for one, other in zip(given, right, strict=True)]
    return max(errors)
