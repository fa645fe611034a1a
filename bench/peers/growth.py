"""How ours grows: with the rows of a request, with the trees of the model, with its fields."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from bench.models import FOLDER, Made
from bench.peers.environment import programs_of
from bench.peers.known import OURS
from bench.process import LOAD_CORE, free_ports, serving
from bench.wrk import run_wrk
from mldeploy.bundle import Bundle, read_bundle
from mldeploy.model.package import package_model

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = (1, 10, 100, 1_000, 10_000)
TREES = (1, 10, 100, 1_000)
FIELDS = (5, 50, 500)
HEAD = """\
| what | requests a second | rows a second | p50 ms | p99 ms | memory MB | failed |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |"""
ABOUT = "From 4 connections, with a queue that refuses nothing."
CONNECTIONS = 4
LARGE_SECONDS = 5
"""For requests of many rows, few of which fit into one second."""


def table(made: Made, seconds: int) -> str:
    lines = [HEAD]
    for rows in ROWS:
        enough = seconds if rows < 1_000 else max(seconds, LARGE_SECONDS)
        lines.append(_line(f"{made.name}, rows a request: {rows:,}", made.bundle, rows, enough))
    for trees in TREES:
        lines.append(_line(f"forest, trees: {trees:,}", _forest(trees), 1, seconds))
    for fields in FIELDS:
        lines.append(_line(f"linear, fields: {fields}", _linear(fields), 1, seconds))
    return f"{ABOUT}\n\n" + "\n".join(lines)


def _line(what: str, bundle: Bundle, rows: int, seconds: int) -> str:
    made = Made(bundle.manifest.name, Path(), Path(), bundle)
    instances = list(itertools.islice(itertools.cycle(bundle.golden.instances), rows))
    body = json.dumps({"instances": instances})
    port = free_ports()
    argv = OURS.command(programs_of(OURS), port, made, Path())
    with serving(argv, port, OURS.path, body, {"MLDEPLOY_QUEUE_SECONDS": "60"}) as server:
        figures = run_wrk(server.url, [body], CONNECTIONS, seconds, LOAD_CORE)
        memory = server.memory()
    return (
        f"| {what} | {figures.rate:,.1f} | {figures.rate * rows:,.0f} | {figures.p50:.1f} | {figures.p99:.1f} |"
        f" {memory:.0f} | {figures.failed} |"
    )


def _forest(trees: int) -> Bundle:
    rows, target = load_breast_cancer(return_X_y=True, as_frame=True)
    return _packaged(f"forest-{trees}", lambda: RandomForestClassifier(trees, random_state=0).fit(rows, target), rows)


def _linear(fields: int) -> Bundle:
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.normal(size=(500, fields)), columns=[f"number_{number}" for number in range(fields)])
    return _packaged(f"linear-{fields}", lambda: LogisticRegression().fit(rows, rows.sum(axis=1) > 0), rows)


def _packaged(name: str, fit: Any, rows: pd.DataFrame) -> Bundle:
    bundle = FOLDER / f"{name}-1.0.0"
    if not bundle.exists():
        joblib.dump(fit(), FOLDER / f"{name}.joblib")
        rows.to_parquet(FOLDER / f"{name}.parquet")
        package_model(FOLDER / f"{name}.joblib", sample=FOLDER / f"{name}.parquet", version="1.0.0", into=FOLDER)
    return read_bundle(bundle)


def bundles() -> Iterator[Bundle]:
    """All that the table needs, made ahead of the measuring."""
    yield from (_forest(trees) for trees in TREES)
    yield from (_linear(fields) for fields in FIELDS)
