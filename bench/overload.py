"""Offer the server twice what one core carries: `python -m bench.overload [--seconds 30]`, 50 and 100 rows a request.

It must refuse what is too much with 503, keep the p99 of what it accepts under 100 ms, and be as fast afterwards as
before. Exits with 1 when that does not hold. Latency counts from when a request was due, so what the load generator was
late by is in it, and in a column of its own: of requests of a few rows, one core cannot send twice as many as another
answers.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import uvloop

from bench.models import models
from bench.openloop import by_status, milliseconds, offer, ours, request_of, saturate
from bench.page import machine, write_section
from bench.process import LOAD_CORE, end_servers_when_ended

TOO_MUCH = 2.0
LIGHT = 0.4
LIGHT_SECONDS = 5.0
MOST_P99_MS = 100.0
# A p99 of few hundred requests moves by itself.
MOST_SLOWER = 3.0
HEAD = """\
| rows a request | load | offered a second | answers | p50 of accepted, ms | p99 | p99 of refused | sent late, p99 |
| ---: | --- | ---: | --- | ---: | ---: | ---: | ---: |"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--capacity-seconds", type=float, default=10.0)
    parser.add_argument("--rows", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--bundle", type=Path, help="[default: the numeric model of bench/models.py]")
    parser.add_argument("--write", action="store_true", help="put it into docs/performance.md")
    options = parser.parse_args()
    end_servers_when_ended()
    bundle = options.bundle or models()[0].bundle.path
    os.sched_setaffinity(0, {LOAD_CORE})
    lines, all_hold = [HEAD], True
    for rows in options.rows:
        with ours(bundle, {}) as running:
            table, holds = uvloop.run(overload(running.port, request_of(bundle, rows), rows, options))
        lines += table
        all_hold &= holds
    print("\n".join(lines))
    if options.write:
        write_section("overload", "\n".join(lines) + "\n\n" + machine("uvicorn"))
    sys.exit(0 if all_hold else 1)


async def overload(port: int, request: bytes, rows: int, options: argparse.Namespace) -> tuple[list[str], bool]:
    """A line for each load, and whether it refused what was too much, kept its latency, and recovered."""
    capacity = await saturate(port, request, options.capacity_seconds)
    light = (LIGHT, LIGHT_SECONDS)
    phases = {"before": light, "overload": (TOO_MUCH, options.seconds), "after": light}
    p99, outcome, lines = {}, {}, []
    for name, (share, seconds) in phases.items():
        samples = await offer(port, [request], share * capacity, seconds)
        accepted = [sample.seconds for sample in samples if sample.status == 200]
        refused = [sample.seconds for sample in samples if sample.status == 503]
        p99[name] = milliseconds(accepted, 99)
        outcome[name] = {sample.status for sample in samples}
        late = milliseconds([sample.late for sample in samples], 99)
        times = (milliseconds(accepted, 50), p99[name], milliseconds(refused, 99), late)
        cells = (f"{rows}", name, f"{share * capacity:,.0f}", by_status(samples), *(f"{ms:.1f}" for ms in times))
        lines.append(f"| {' | '.join(cells)} |")
    holds = (
        outcome == {"before": {200}, "overload": {200, 503}, "after": {200}}
        and p99["overload"] < MOST_P99_MS
        and p99["after"] < MOST_SLOWER * p99["before"]
    )
    return lines, holds


if __name__ == "__main__":
    main()
