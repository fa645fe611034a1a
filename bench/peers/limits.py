"""What bounds a server of one core: a constant answer on the same server, the graph alone, and TCP itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.peers.measure import questions
from bench.process import LOAD_CORE, ROOT, SERVER_CORE, free_ports, serving
from bench.wrk import run_wrk

if TYPE_CHECKING:
    from bench.models import Made

BENCH = Path(__file__).parents[1]
GRAPH_ALONE = """
import json, os, sys, time
from bench.peers.graph import open_graph, predict_row
row = json.loads(sys.argv[1])
session = open_graph()
for _ in range(200): predict_row(session, row)
rounds = []
for _ in range(5):
    begun = time.perf_counter()
    for _ in range(500): predict_row(session, row)
    rounds.append((time.perf_counter() - begun) / 500)
print(sorted(rounds)[2])
"""

HEAD = """\
| model | ours at 16 | constant answer on the same server | ours of that | TCP echo | onnxruntime alone, us a row |
| --- | ---: | ---: | ---: | ---: | ---: |"""


def line(made: Made, ours: float, seconds: int) -> str:
    """The limits beside our rate at 16 connections."""
    rows, _ = questions(made)
    body = json.dumps({"instances": [rows[0]]})
    constant = constant_rate(16, seconds, body)
    cells = (
        made.name,
        f"{ours:,.0f}",
        f"{constant:,.0f}",
        f"{ours / constant:.2f}",
        f"{echo_rate(16, seconds, body):,.0f}",
        f"{graph_seconds(made, rows[0]) * 1e6:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def constant_rate(connections: int, seconds: int, body: str) -> float:
    return _rate("constant_app.py", connections, seconds, body)


def echo_rate(connections: int, seconds: int, body: str) -> float:
    return _rate("echo.py", connections, seconds, body)


def graph_seconds(made: Made, row: dict[str, object]) -> float:
    """Seconds that onnxruntime takes for a row, with its arrays made and read, in a loop of its own."""
    done = subprocess.run(
        ["taskset", "-c", str(SERVER_CORE), sys.executable, "-c", GRAPH_ALONE, json.dumps(row)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "BUNDLE": str(made.bundle.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def _rate(script: str, connections: int, seconds: int, body: str) -> float:
    port = free_ports()
    with serving([sys.executable, str(BENCH / script), "--port", str(port)], port, "/predict", body, {}) as server:
        return run_wrk(server.url, [body], connections, seconds, LOAD_CORE).rate
