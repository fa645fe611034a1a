"""Hold the server at 80 % of what one core carries: `python -m bench.soak [--seconds 600]`.

What it carries is the highest rate at which it answers every request for a while, 99 of 100 within 100 ms. Its memory
must stay flat and every request be answered. The prediction log is on, as it is on a host. Exits with 1 when either
does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from bench.models import models
from bench.openloop import SATURATING_CONNECTIONS, by_status, milliseconds, offer, ours, request_of, saturate
from bench.page import machine, write_section
from bench.process import LOAD_CORE, end_servers_when_ended

if TYPE_CHECKING:
    from bench.process import Running

SHARE = 0.8
STEP = 0.95
MOST_P99_MS = 100.0
# What allocators keep may grow a little in the beginning.
MOST_GROWTH_MB = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--capacity-seconds", type=float, default=30.0)
    parser.add_argument("--share", type=float, default=SHARE, help="of the capacity; less on a machine with other work")
    parser.add_argument("--rows", type=int, default=1, help="of each request")
    parser.add_argument("--bundle", type=Path, help="[default: the numeric model of bench/models.py]")
    parser.add_argument("--write", action="store_true", help="put it into docs/performance.md")
    options = parser.parse_args()
    end_servers_when_ended()
    bundle = options.bundle or models()[0].bundle.path
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory() as folder, ours(bundle, {"MLDEPLOY_PREDICTION_LOG": folder}) as running:
        text, holds = uvloop.run(soak(running, request_of(bundle, options.rows), options))
    print(text)
    if options.write:
        write_section("soak", f"{text}\n\n{machine('uvicorn')}")
    sys.exit(0 if holds else 1)


async def soak(running: Running, request: bytes, options: argparse.Namespace) -> tuple[str, bool]:
    """What came of it, and whether memory stayed flat and no request failed."""
    most = await saturate(running.port, request, options.capacity_seconds)
    capacity = await carried(running.port, request, most, options.capacity_seconds)
    megabytes: list[float] = []
    watching = asyncio.create_task(watch(running, megabytes))
    samples = await offer(running.port, [request], options.share * capacity, options.seconds)
    watching.cancel()
    # The first tenth is for what is kept once it was needed.
    settled, last = megabytes[len(megabytes) // 10], megabytes[-1]
    times = [sample.seconds for sample in samples if sample.status == 200]
    text = (
        f"{most:,.0f} requests a second of {options.rows} rows for {SATURATING_CONNECTIONS} callers who wait"
        f" for answers; all of {capacity:,.0f} for {options.capacity_seconds:g} s when they come whatever happens."
        f" {options.share:.0%} of these for {options.seconds:g} s, with the prediction log: {by_status(samples)}; p50"
        f" {milliseconds(times, 50):.1f} ms, p99 {milliseconds(times, 99):.1f} ms. Memory: {settled:.1f} MB after a"
        f" tenth of the time, {max(megabytes):.1f} MB at most, {last:.1f} MB at the end."
    )
    return text, last - settled <= MOST_GROWTH_MB and all(sample.status == 200 for sample in samples)


async def carried(port: int, request: bytes, rate: float, seconds: float) -> float:
    """The highest rate, in steps down from `rate`, at which every request of so many seconds is answered in time."""
    while True:
        samples = await offer(port, [request], rate, seconds)
        p99 = milliseconds([sample.seconds for sample in samples], 99)
        if all(sample.status == 200 for sample in samples) and p99 <= MOST_P99_MS:
            return rate
        rate *= STEP


async def watch(running: Running, megabytes: list[float]) -> None:
    while True:
        megabytes.append(running.memory())
        await asyncio.sleep(1.0)


if __name__ == "__main__":
    main()
