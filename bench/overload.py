"""Offer the server twice what one core carries: `python -m bench.overload [--seconds 30]`.

It must refuse what is too much with 503, keep the p99 of what it accepts under 100 ms, and be as fast afterwards as
before. Exits with 1 when that does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from bench.models import models
from bench.openloop import by_status, milliseconds, offer, request_of, saturate
from bench.runtime import serving

TOO_MUCH = 2.0
LIGHT = 0.4
LIGHT_SECONDS = 5.0
MOST_P99_MS = 100.0
# A p99 of few hundred requests moves by itself.
MOST_SLOWER = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--capacity-seconds", type=float, default=10.0)
    parser.add_argument("--bundle", type=Path, help="[default: the numeric model of bench/models.py]")
    options = parser.parse_args()
    bundle = options.bundle or models()[0].bundle.path
    os.environ["MLDEPLOY_WORKERS"] = "1"
    server = [sys.executable, "-m", "mldeploy_runtime", "--bundle", str(bundle), "--host", "127.0.0.1"]
    with serving([*server, "--control", ""]) as (_, port, _):
        holds = asyncio.run(overload(port, request_of(bundle), options))
    sys.exit(0 if holds else 1)


async def overload(port: int, request: bytes, options: argparse.Namespace) -> bool:
    """Whether it refused what was too much, kept its latency, and recovered."""
    capacity = await saturate(port, request, options.capacity_seconds)
    print(f"capacity {capacity:.0f} requests of 100 rows a second")
    light = (LIGHT, LIGHT_SECONDS)
    phases = {"before": light, "overload": (TOO_MUCH, options.seconds), "after": light}
    p99 = {}
    outcome = {}
    for name, (share, seconds) in phases.items():
        samples = await offer(port, request, share * capacity, seconds)
        p99[name] = milliseconds(samples, 200, 99)
        outcome[name] = {sample.status for sample in samples}
        print(f"{name}: {share:g} of it for {seconds:g} s: {by_status(samples)}; p99 of accepted {p99[name]:.1f} ms")
    return (
        outcome == {"before": {200}, "overload": {200, 503}, "after": {200}}
        and p99["overload"] < MOST_P99_MS
        and p99["after"] < MOST_SLOWER * p99["before"]
    )


if __name__ == "__main__":
    main()
