"""What the rig's VM (1 vCPU, 1 GB) carries through Caddy within a p99 of 100 ms: `python -m bench.capacity`.

Each of the three models is shipped to the VM and asked for its capacity by `mldeploy loadtest --find-capacity`, with
keys, limits and the prediction log as they are when a person ships. VM and load generator share this machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.models import models
from bench.page import machine, write_section
from mldeploy.loadtest.cost import FARGATE_DOLLARS_A_MONTH, dollars_a_million, fargate_dollars_a_million
from tests import rig as the_rig

MONTHLY_PRICE = 6.0
HEAD = """\
| model | capacity, requests a second | p50 ms | p99 ms | p99 at 200 a second, ms | a million predictions |
| --- | ---: | ---: | ---: | ---: | ---: |"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10, help="of each run")
    seconds = parser.parse_args().seconds
    lines = [HEAD]
    with the_rig.use() as rig, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for made in models():
            rig.vm.reset()
            shutil.copy(rig.config, folder / "mldeploy.toml")
            run(folder, "ship", str(made.bundle.path), "--watch", "1")
            # Docker's forwarding of the VM's ports ends for good when too many requests wait at once.
            bundle = ("--bundle", str(made.bundle.path), "--duration", f"{seconds}s", "--timeout", "500ms", "--json")
            steady = run(folder, "loadtest", "--qps", "200", *bundle)
            found = run(folder, "loadtest", "--qps", "200", "--find-capacity", *bundle)
            lines.append(row(made.name, found, steady))
            print(lines[-1], flush=True)
    fargate = fargate_dollars_a_million()
    prices = ", ".join(
        f"${fargate[rate]:.3f} at {rate:,} a second (${dollars:,.0f} a month)"
        for rate, dollars in FARGATE_DOLLARS_A_MONTH.items()
    )
    table = "\n".join(lines)
    note = (
        f"One row a request. The price is ${MONTHLY_PRICE:.0f} a month for the machine, used at its capacity all month."
        f" Published prices of ECS Fargate come, by the same sum, to {prices}."
    )
    write_section("capacity", f"{table}\n\n{note}\n\n{machine('onnxruntime', 'uvicorn', 'locust')}")


def run(folder: Path, *arguments: str) -> Any:
    argv = [str(Path(sys.executable).with_name("mldeploy")), *arguments]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout) if "--json" in arguments else None


def row(model: str, found: Any, steady: Any) -> str:
    best = next(trial for trial in reversed(found["trials"]) if trial["asked_rate"] == found["rate"])
    cells = [
        model,
        f"{found['rate']:,.0f}" + (" (all that the generator could send)" if found["limited_by_generator"] else ""),
        f"{best['p50_s'] * 1000:.1f}",
        f"{best['p99_s'] * 1000:.1f}",
        f"{steady['p99_s'] * 1000:.1f}",
        f"${dollars_a_million(MONTHLY_PRICE, found['rate']):.4f}",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
