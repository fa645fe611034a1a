"""Three load generators on the same servers at the same rate: `python -m bench.loadtest`.

`wrk` and locust as it comes wait for an answer before they send again; `mldeploy loadtest` sends when a request is
due. On a server that answers steadily the three must agree. On one that stalls, locust leaves out what it did not
send in the meantime, and wrk adds it to its figures afterwards, by the interval at which it would have sent. What the
stall does to requests that come evenly is known by arithmetic.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.page import machine, write_section
from mldeploy.loadtest.report import Target, summarize
from mldeploy.loadtest.run import run_load
from mldeploy.loadtest.samples import Load
from tests.integration.stalling_server import Stall, serving

ROWS = [{"a": 1.0}]
SERVICE_S = 0.001
CALLERS = 4
PAUSE_MS = 18
STALL = Stall(period_s=10.0, length_s=1.0)
UNITS_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}

WRK_SCRIPT = f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{{"instances": [{{"a": 1.0}}]}}'
function delay() return {PAUSE_MS} end
"""
LOCUST_FILE = """
from locust import FastHttpUser, constant_throughput, task

class Caller(FastHttpUser):
    wait_time = constant_throughput({rate})

    @task
    def predict(self):
        self.client.post("/predict", json={{"instances": [{{"a": 1.0}}]}})
"""


HEAD = "| server | generator | requests a second | p50 ms | p99 ms |\n| --- | --- | ---: | ---: | ---: |"
EXPLAINED = """\
The same server, at the rate that wrk's four callers come to. `mldeploy loadtest` counts from when a request was due.
wrk and locust as it comes wait for an answer before they send again: locust leaves out what it did not send meanwhile,
so that its p99 hides the stall; wrk adds what is missing to its figures afterwards, at the interval at which it would
have sent. Where nothing stalls the three agree, but for what a Python client itself takes."""


@dataclass(frozen=True)
class Figures:
    """Requests a second, and latencies in milliseconds."""

    rate: float
    p50: float | None
    p99: float

    def cells(self) -> str:
        return f"{self.rate:.0f} | {'' if self.p50 is None else f'{self.p50:.1f}'} | {self.p99:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=30, help="how long each run lasts (whole stalls of 10 s)")
    seconds = parser.parse_args().seconds
    lines = [HEAD]
    for server, stall, service_s in (("answers in 1 ms", None, SERVICE_S), ("stalls 1 s of every 10 s", STALL, 0.0)):
        for generator, figures in measure(stall, service_s, seconds):
            lines.append(f"| {server} | {generator} | {figures.cells()} |")
    table = "\n".join(lines)
    print(table)
    write_section("loadtest", f"{EXPLAINED}\n\n{table}\n\n{machine('locust')}")


def measure(stall: Stall | None, service_s: float, seconds: int) -> list[tuple[str, Figures]]:
    """All generators in turn, each on a server of its own, at the rate that wrk's callers come to."""
    with serving(stall, service_s) as url:
        wrk = run_wrk(url, seconds)
    with serving(stall, service_s) as url:
        locust = run_locust(url, seconds, wrk.rate)
    with serving(stall, service_s) as url:
        ours = run_ours(url, seconds, wrk.rate)
    found = [("wrk", wrk), ("locust, as it comes", locust), ("mldeploy loadtest", ours)]
    return [("by arithmetic", expected(stall, wrk.rate)), *found] if stall else found


def expected(stall: Stall, rate: float) -> Figures:
    """What even arrivals meet: a share of (length - x) / period of them waits longer than x."""
    return Figures(rate, None, (stall.length_s - 0.01 * stall.period_s) * 1000)


def run_wrk(url: str, seconds: int) -> Figures:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK_SCRIPT)
        script.flush()
        argv = ["wrk", "-t1", f"-c{CALLERS}", f"-d{seconds}s", "--latency", "-s", script.name, f"{url}/predict"]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if rate is None:
        raise SystemExit(f"wrk printed no rate:\n{said}")
    return Figures(float(rate[1]), _wrk_percentile(said, 50), _wrk_percentile(said, 99))


def _wrk_percentile(said: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)\b", said)
    if found is None:
        raise SystemExit(f"wrk printed no {percent} %:\n{said}")
    return float(found[1]) * UNITS_MS[found[2]]


def run_locust(url: str, seconds: int, rate: float) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "locustfile.py"
        file.write_text(LOCUST_FILE.format(rate=rate / CALLERS))
        argv = [sys.executable, "-m", "locust", "-f", str(file), "--headless", "-u", str(CALLERS), "-r", str(CALLERS)]
        argv += ["-t", f"{seconds}s", "--host", url, "--csv", f"{folder}/run", "--loglevel", "ERROR"]
        subprocess.run(argv, capture_output=True, check=True)
        head, *lines = (line.split(",") for line in Path(f"{folder}/run_stats.csv").read_text().splitlines())
    total = dict(zip(head, lines[-1], strict=True))
    return Figures(float(total["Requests/s"]), float(total["50%"]), float(total["99%"]))


def run_ours(url: str, seconds: int, rate: float) -> Figures:
    load = Load(f"{url}/predict", rate=rate, duration_s=seconds)
    result = summarize(load, run_load(load, ROWS), Target(p99_s=10.0))
    if result.invalid:
        raise SystemExit(f"the run does not count: {result.invalid}")
    return Figures(result.achieved_rate, result.p50_s * 1000, result.p99_s * 1000)


if __name__ == "__main__":
    main()
