"""The main job, end to end, on real parts: two versions of a model onto a bare VM and back, under load.

python -m examples.penguins.demo
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mldeploy.bundle import read_bundle
from mldeploy.console import error as report_error
from tests import rig
from tests.traffic import Tally, Traffic

HERE = Path(__file__).parent
HOST = "rig"
QPS = 200
LOADTEST_SECONDS = 30
WATCH_SECONDS = 5

console = Console(soft_wrap=True)


@dataclass(frozen=True)
class Run:
    """What the demo measured."""

    parity: dict[str, float]
    image_bytes: int
    first_ship: dict[str, Any]
    second_ship: dict[str, Any]
    rollback: dict[str, Any]
    tally: Tally
    loadtest: dict[str, Any]


def main() -> None:
    console.rule("a bare VM, a registry, and a Docker Engine")
    with rig.use() as parts:
        parts.vm.reset()
        folder = work_folder(parts)
        console.rule("two versions of a model, trained on real data")
        run_command([sys.executable, "-m", "examples.penguins.train", "--out", str(folder)], Path.cwd())
        show(the_main_job(folder, parts.vm.secure_url))


def the_main_job(folder: Path, url: str) -> Run:
    """Package both versions, ship the first, then ship the second and roll back while requests keep coming."""
    packaged = [package(folder, model) for model in sorted(folder.glob("*.joblib"))]
    first, second = (Path(outcome["bundle"]) for outcome in packaged)
    golden = read_bundle(folder / first).golden.instances

    console.rule("ship the first version to the bare VM")
    first_ship = mldeploy(folder, "ship", str(first), "--host", HOST, "--watch", "0")
    console.rule("ship the second version, under load")
    root = run_command(["mldeploy", "host", "ca", HOST], folder, shown=("host", "ca", HOST))
    with Traffic(url, golden, first_ship["key"], root) as traffic:
        second_ship = mldeploy(folder, "ship", str(second), "--host", HOST, "--watch", str(WATCH_SECONDS))
        console.rule("roll back, under load")
        rollback = mldeploy(folder, "rollback", "--host", HOST, "--watch", str(WATCH_SECONDS))
    console.rule(f"load test at {QPS} requests a second")
    loadtest = mldeploy(folder, "loadtest", "--qps", str(QPS), "--duration", str(LOADTEST_SECONDS), "--host", HOST)
    mldeploy_shown(folder, "releases", "--host", HOST)
    return Run(
        parity={outcome["version"]: outcome["proof"]["max_error"] for outcome in packaged},
        image_bytes=packaged[-1]["image"]["size"],
        first_ship=first_ship,
        second_ship=second_ship,
        rollback=rollback,
        tally=traffic.tally,
        loadtest=loadtest,
    )


def work_folder(parts: rig.Rig) -> Path:
    """A folder with an mldeploy.toml of the rig's registry and host, and this example's settings."""
    folder = parts.config.parent / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    settings = parts.config.read_text() + "\n" + (HERE / "mldeploy.toml").read_text()
    (folder / "mldeploy.toml").write_text(settings)
    return folder


def package(folder: Path, model: Path) -> dict[str, Any]:
    console.rule(f"package {model.name}")
    return mldeploy(folder, "package", model.name, "--sample", "penguins.parquet")


def mldeploy(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run the command a person would type, and return what it prints for scripts."""
    outcome: dict[str, Any] = json.loads(run_command(["mldeploy", *arguments, "--json"], folder, shown=arguments))
    return outcome


def mldeploy_shown(folder: Path, *arguments: str) -> None:
    console.print(run_command(["mldeploy", *arguments], folder, shown=arguments), markup=False)


def run_command(argv: list[str], folder: Path, shown: tuple[str, ...] = ()) -> str:
    if shown:
        console.print(f"$ mldeploy {' '.join(shown)}", style="bold")
        argv = [str(Path(sys.executable).with_name("mldeploy")), *argv[1:]]
    done = subprocess.run(argv, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"this failed with exit code {done.returncode}: {' '.join(argv)}\n{done.stdout}")
    return done.stdout


def show(run: Run) -> None:
    table = Table(title="What was measured", title_justify="left", show_header=False)
    for version, error in run.parity.items():
        table.add_row(f"parity of {version}: largest error against the original", f"{error:.1e}")
    table.add_row("image, unpacked", f"{run.image_bytes / 1e6:.0f} MB")
    table.add_row("first ship to the bare VM, Docker installed on the way", seconds(run.first_ship))
    table.add_row("second ship, command to switch", seconds(run.second_ship))
    table.add_row("rollback, command to switch", seconds(run.rollback))
    table.add_row("requests sent during ship and rollback", str(run.tally.sent))
    table.add_row("requests lost", f"{len(run.tally.lost)}")
    table.add_row(f"p99 at {QPS} requests a second through Caddy", f"{run.loadtest['p99_s'] * 1000:.1f} ms")
    table.add_row("errors among its requests", f"{sum(run.loadtest['errors'].values())} of {run.loadtest['requests']}")
    console.print(table)
    if run.tally.lost:
        console.print("\n".join(run.tally.lost[:20]), markup=False)
        sys.exit("requests were lost")


def seconds(outcome: dict[str, Any]) -> str:
    return f"{outcome['seconds_to_switch']:.1f} s"


if __name__ == "__main__":
    start = time.monotonic()
    try:
        main()
    except rig.RigError as failure:
        report_error(failure)
        sys.exit(failure.exit_code)
    console.print(f"the demo took {time.monotonic() - start:.0f} s")
