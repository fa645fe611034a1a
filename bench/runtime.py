"""Measure the server against a constant answer: `python bench/runtime.py BUNDLE...`.

Both run on uvicorn in the same setting, pinned to one core, in turn and several times; `wrk` loads them from the
other core with the bundle's own golden rows, one a request. The ratio is what counts: it holds on any machine, while
a rate holds on one. Processor time a request says the same on a machine that has other work too.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNTIME = Path(__file__).parents[1] / "runtime"
SERVER_CORE, LOAD_CORE = 0, 1
CONSTANT = [sys.executable, str(Path(__file__).with_name("constant_app.py"))]
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True)
class Figures:
    """Requests a second; latencies in milliseconds; the server's processor time in microseconds a request."""

    rate: float
    p50: float
    p99: float
    cpu: float
    errors: int


@dataclass(frozen=True)
class Started:
    """Seconds from start to ready, and resident memory after the load in megabytes."""

    seconds: float
    megabytes: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, of which the median is shown")
    options = parser.parse_args()
    columns = "bundle, connections, constant req/s, ours req/s, ratio, p50 ms, p99 ms, CPU us, CPU ratio, ready s, MB"
    print("|", columns.replace(", ", " | "), "|")
    print("|", " | ".join(["---"] * len(columns.split(", "))), "|")
    for bundle in options.bundles:
        for connections in options.connections:
            rounds = [measure(bundle, connections, options.seconds) for _ in range(options.rounds)]
            print(row(bundle, connections, rounds), flush=True)


def measure(bundle: Path, connections: int, seconds: int) -> tuple[Figures, Figures, Started]:
    """The constant app and ours, one after the other."""
    server = [sys.executable, "-m", "mldeploy_runtime", "--bundle", str(bundle), "--host", "127.0.0.1", "--control", ""]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "requests.lua"
        script.write_text(wrk_script(bundle))
        with serving(CONSTANT) as (constant, port, _):
            floor = load(constant, port, connections, seconds, script)
        with serving(server) as (ours, port, started):
            figures = load(ours, port, connections, seconds, script)
            return floor, figures, Started(started, memory(ours))


@contextmanager
def serving(command: list[str]) -> Iterator[tuple[int, int, float]]:
    """The server's process id, its port, and the seconds until it was ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    begun = time.perf_counter()
    process = subprocess.Popen(
        ["taskset", "-c", str(SERVER_CORE), *command, "--port", str(port)],
        env=os.environ | {"PYTHONPATH": str(RUNTIME)},
        stdout=subprocess.DEVNULL,
    )
    try:
        await_ready(port, process)
        yield process.pid, port, time.perf_counter() - begun
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def await_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    with httpx.Client() as client:
        while process.poll() is None:
            try:
                if client.get(f"http://127.0.0.1:{port}/ready").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.01)
    raise SystemExit("the server ended before it was ready")


def load(process: int, port: int, connections: int, seconds: int, script: Path) -> Figures:
    before = cpu_seconds(process)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
    command = ["taskset", "-c", str(LOAD_CORE), *command, f"http://127.0.0.1:{port}"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(process) - before
    requests = int(found(r"(\d+) requests in", report))
    return Figures(
        rate=float(found(r"Requests/sec:\s+([\d.]+)", report)),
        p50=milliseconds("50%", report),
        p99=milliseconds("99%", report),
        cpu=used / requests * 1e6,
        errors=sum(int(count) for count in re.findall(r"Non-2xx or 3xx responses: (\d+)", report)),
    )


def wrk_script(bundle: Path) -> str:
    """A script for wrk that sends the golden rows in turn, one a request."""
    instances = json.loads((bundle / "golden.json").read_text())["instances"]
    bodies = ",".join(f"[==[{json.dumps({'instances': [instance]})}]==]" for instance in instances)
    return (
        f"local bodies = {{{bodies}}}\nlocal sent = 0\n"
        "request = function()\n  sent = sent % #bodies + 1\n"
        "  return wrk.format('POST', '/predict', {['Content-Type'] = 'application/json'}, bodies[sent])\nend\n"
    )


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def memory(process: int) -> float:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def found(pattern: str, report: str) -> str:
    match = re.search(pattern, report)
    if match is None:
        raise SystemExit(f"wrk did not say what was expected:\n{report}")
    return match[1]


def milliseconds(quantile: str, report: str) -> float:
    value, unit = re.fullmatch(r"([\d.]+)([a-z]+)", found(rf"\n\s+{quantile}\s+(\S+)", report)).groups()  # type: ignore[union-attr]
    return float(value) * UNITS[unit]


def row(bundle: Path, connections: int, rounds: list[tuple[Figures, Figures, Started]]) -> str:
    def median(values: Iterator[float]) -> float:
        return statistics.median(values)

    errors = sum(ours.errors for _, ours, _ in rounds)
    cells = [
        bundle.name,
        str(connections),
        f"{median(floor.rate for floor, _, _ in rounds):,.0f}",
        f"{median(ours.rate for _, ours, _ in rounds):,.0f}" + (f" ({errors} errors)" if errors else ""),
        f"{median(ours.rate / floor.rate for floor, ours, _ in rounds):.2f}",
        f"{median(ours.p50 for _, ours, _ in rounds):.2f}",
        f"{median(ours.p99 for _, ours, _ in rounds):.2f}",
        f"{median(ours.cpu for _, ours, _ in rounds):.0f}",
        f"{median(floor.cpu / ours.cpu for floor, ours, _ in rounds):.2f}",
        f"{median(started.seconds for _, _, started in rounds):.2f}",
        f"{median(started.megabytes for _, _, started in rounds):.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
