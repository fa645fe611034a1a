"""Hold the server at 80 % of what one core carries: `python -m bench.soak [--seconds 600]`.

Its memory must stay flat and every request be answered. The prediction log is on, as it is on a host. Exits with 1
when either does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from bench.models import models
from bench.openloop import by_status, milliseconds, offer, request_of, saturate
from bench.runtime import memory, serving

SHARE = 0.8
# What allocators keep may grow a little in the beginning.
MOST_GROWTH_MB = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--capacity-seconds", type=float, default=10.0)
    parser.add_argument("--bundle", type=Path, help="[default: the numeric model of bench/models.py]")
    options = parser.parse_args()
    bundle = options.bundle or models()[0].bundle.path
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLDEPLOY_PREDICTION_LOG"] = folder
        os.environ["MLDEPLOY_WORKERS"] = "1"
        server = [sys.executable, "-m", "mldeploy_runtime", "--bundle", str(bundle), "--host", "127.0.0.1"]
        with serving([*server, "--control", ""]) as (process, port, _):
            holds = asyncio.run(soak(process, port, request_of(bundle), options))
    sys.exit(0 if holds else 1)


async def soak(process: int, port: int, request: bytes, options: argparse.Namespace) -> bool:
    """Whether memory stayed flat and no request failed."""
    capacity = await saturate(port, request, options.capacity_seconds)
    resident: list[float] = []
    watching = asyncio.create_task(watch(process, resident))
    samples = await offer(port, request, SHARE * capacity, options.seconds)
    watching.cancel()
    # The first tenth is for what is kept once it was needed.
    settled, last = resident[len(resident) // 10], resident[-1]
    print(f"capacity {capacity:.0f} requests of 100 rows a second; {SHARE:.0%} of it for {options.seconds:g} s")
    print(f"answers: {by_status(samples)}")
    print(f"p50 {milliseconds(samples, 200, 50):.1f} ms, p99 {milliseconds(samples, 200, 99):.1f} ms")
    print(f"memory: {settled:.1f} MB after a tenth, {max(resident):.1f} MB at most, {last:.1f} MB at the end")
    return last - settled <= MOST_GROWTH_MB and all(sample.status == 200 for sample in samples)


async def watch(process: int, resident: list[float]) -> None:
    while True:
        resident.append(memory(process))
        await asyncio.sleep(1.0)


if __name__ == "__main__":
    main()
