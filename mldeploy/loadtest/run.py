"""Our side of a load run: start the generator's process, follow it, end it with us."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mldeploy.errors import MldeployError
from mldeploy.loadtest.rows import bodies_of
from mldeploy.loadtest.samples import ALONE, OPEN, Access, Job, Load, Samples, Tick, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

END_S = 10.0
"""How long the generator may take to end once it was told to."""


def run_load(
    load: Load,
    rows: Sequence[dict[str, Any]],
    on_tick: Callable[[Tick], None] | None = None,
    access: Access = OPEN,
    workers: Workers = ALONE,
) -> Samples:
    """Send `rows` in turn, as many a request as `load` says; the rest as in `send`."""
    return send(load, bodies_of(rows, load.rows_per_request), on_tick, access, workers)


def send(
    load: Load,
    bodies: Sequence[str],
    on_tick: Callable[[Tick], None] | None = None,
    access: Access = OPEN,
    workers: Workers = ALONE,
) -> Samples:
    """Send JSON `bodies` in turn as `load` says, let in by `access`; `on_tick` hears of every second.

    With several `workers` each sends its share of them. Raises MldeployError when the generator itself fails; a
    server that fails is in the samples.
    """
    with tempfile.TemporaryDirectory(prefix="mldeploy-load-") as folder:
        path = Path(folder) / "samples.npz"
        _generate(Job(load, access, tuple(bodies), str(path), workers), on_tick)
        return Samples.load(path)


def _generate(job: Job, on_tick: Callable[[Tick], None] | None) -> None:
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            [sys.executable, "-m", "mldeploy.loadtest.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            start_new_session=True,  # Ctrl-C reaches us, and we end it
        ) as generator,
    ):
        try:
            _feed(generator, job, on_tick)
            code = generator.wait(END_S)
        except BaseException:
            os.killpg(generator.pid, signal.SIGKILL)  # with the workers that it started
            raise
        if code:
            said.seek(0)
            raise MldeployError(
                "the load generator ended early",
                cause=(said.read().strip().splitlines() or [f"exit code {code}"])[-1],
            )


def _feed(generator: subprocess.Popen[str], job: Job, on_tick: Callable[[Tick], None] | None) -> None:
    if generator.stdin is None or generator.stdout is None:
        raise ValueError("the generator was started without pipes")
    generator.stdin.write(job.to_json())
    generator.stdin.close()
    for line in generator.stdout:
        if on_tick and line.startswith("{"):
            on_tick(Tick(**json.loads(line)))


def join_load(address: str) -> None:
    """Be a worker of the run that listens at `address`, HOST:PORT, until it is over."""
    code = subprocess.run([sys.executable, "-m", "mldeploy.loadtest.worker", "--join", address], check=False).returncode
    if code:
        raise MldeployError(
            "the worker ended early", cause=f"exit code {code}", remedy=f"Check that {address} listens."
        )
