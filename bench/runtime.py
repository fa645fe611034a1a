"""Ours beside a constant answer and plain FastAPI + joblib: `python -m bench.runtime`, on the three models.

All are pinned to one core and loaded in turn from the other, ours with a key, a limit of rate that nobody meets, and
then the prediction log too. Ratios hold on any machine, rates on one. Processor time a request says the same on a
machine that has other work.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.models import TRAINED, models
from bench.page import machine, write_section
from bench.peers.measure import questions, variables
from bench.process import LOAD_CORE, end_servers_when_ended, free_ports, serving
from bench.wrk import run_wrk

if TYPE_CHECKING:
    from bench.models import Made
    from bench.process import Running
    from bench.wrk import Figures

CONNECTIONS = (1, 16, 64)
ROWS = (1, 1000)
KEY = "mld_00000000_" + "k" * 32
# Answers of a thousand rows must not be refused because 64 callers ask for them at once.
SETTINGS = {"MLDEPLOY_RATE_PER_KEY": "1e9", "MLDEPLOY_RATE_PER_ADDRESS": "1e9", "MLDEPLOY_QUEUE_SECONDS": "60"}
CONSTANT, OURS, LOGGED, FASTAPI = "constant answer", "mldeploy", "mldeploy, prediction log on", "FastAPI + joblib"
HEAD = """\
| model | rows | connections | server | requests a second | of constant | p50 ms | p99 ms | CPU us a request | \
constant's of it | memory, MB | first answer, s | failed |
| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


@dataclass(frozen=True)
class Measured:
    """`cpu` is the server's processor time in microseconds a request."""

    figures: Figures
    cpu: float
    megabytes: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(TRAINED), default=list(TRAINED))
    parser.add_argument("--connections", type=int, nargs="+", default=list(CONNECTIONS))
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--write", action="store_true", help="put it into docs/performance.md")
    options = parser.parse_args()
    end_servers_when_ended()
    lines = [HEAD]
    for made in models():
        if made.name in options.models:
            for rows in options.rows:
                lines += table(made, rows, options.connections, options.seconds)
    text = "\n".join(lines)
    print(text)
    if options.write:
        write_section("runtime", f"{text}\n\n{machine('uvicorn', 'fastapi', 'scikit-learn')}")


def table(made: Made, rows: int, connections: list[int], seconds: int) -> list[str]:
    """A line for each number of connections and each server, all of which are up at once."""
    records, _ = questions(made)
    asked = (records * rows)[:rows]
    ours = json.dumps({"instances": asked})
    plain = json.dumps(asked if rows > 1 else asked[0])
    bodies = {CONSTANT: ours, OURS: ours, LOGGED: ours, FASTAPI: plain}
    lines = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        up = {name: stack.enter_context(start(name, made, body, folder)) for name, body in bodies.items()}
        for count in connections:
            measured = {name: measure(up[name], bodies[name], count, seconds) for name in up}
            lines += [line((made.name, rows, count, name), each, measured[CONSTANT], up[name])
                      for name, each in measured.items()]  # fmt: skip
            print("\n".join(lines[-len(up) :]), file=sys.stderr, flush=True)
    return lines


def start(name: str, made: Made, body: str, folder: Path) -> Any:
    port = free_ports()
    if name == CONSTANT:
        return serving([sys.executable, "-m", "bench.constant_app", "--port", str(port)], port, "/predict", body, {})
    if name == FASTAPI:
        argv = [sys.executable, "-m", "uvicorn", "bench.peers.fastapi_joblib:app", "--port", str(port)]
        asked = json.loads(body)
        many = isinstance(asked, list)
        env = variables(made, asked[0] if many else asked)
        path = "/predict_rows" if many else "/predict"
        return serving([*argv, "--no-access-log"], port, path, body, env)
    keys = folder / "keys.json"
    stored = {"id": "00000000", "name": "bench", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}
    keys.write_text(json.dumps({"schema": 1, "keys": [stored | {"scopes": ["predict"]}]}))
    env = SETTINGS | {"MLDEPLOY_KEYS": str(keys), "MLDEPLOY_WORKERS": "1"}
    if name == LOGGED:
        (folder / "log").mkdir()
        env["MLDEPLOY_PREDICTION_LOG"] = str(folder / "log")
    argv = [sys.executable, "-m", "mldeploy_runtime", "--bundle", str(made.bundle.path), "--host", "127.0.0.1"]
    return serving([*argv, "--port", str(port), "--control", ""], port, "/predict", body, env, {"X-API-Key": KEY})


def measure(running: Running, body: str, connections: int, seconds: int) -> Measured:
    before = running.cpu_seconds()
    figures = run_wrk(running.url, [body], connections, seconds, LOAD_CORE, running.headers)
    spent = running.cpu_seconds() - before
    # Who answers nothing in the time has no cost of an answer.
    return Measured(figures, spent / (figures.requests or math.nan) * 1e6, running.memory())


def line(about: tuple[object, ...], each: Measured, constant: Measured, running: Running) -> str:
    figures = each.figures
    cells = (
        *map(str, about),
        f"{figures.rate:,.0f}",
        f"{figures.rate / constant.figures.rate:.3f}",
        f"{figures.p50:.2f}",
        f"{figures.p99:.2f}",
        f"{each.cpu:,.0f}",
        f"{constant.cpu / each.cpu:.3f}",
        f"{each.megabytes:.0f}",
        f"{running.seconds:.2f}",
        str(figures.failed),
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
