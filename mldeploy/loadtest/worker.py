"""The generator's process: locust's engine apart from ours, so that gevent's patches stay out of it.

Reads a Job on standard input, prints a Tick a second on standard output, and saves the Samples. With several
workers it is locust's master: it gives each worker its share, and puts together what they measured.
"""

from __future__ import annotations

from mldeploy.loadtest.generator import Share, prepare  # first: it patches the standard library for gevent

# isort: split
import gc
import io
import json
import logging
import resource
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from locust.env import Environment

from mldeploy.loadtest.samples import ALONE, Job, Pulse, Samples, Tick

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.runners import MasterRunner

TICK_S = 1.0
PREPARE_S = 30.0
"""How long a worker may take to take its share, and to end."""

LOOPBACK = "127.0.0.1"


def run_alone(job: Job) -> Samples:
    """Carry out the whole of `job` in this process."""
    user = prepare(job)
    runner = Environment(user_classes=[user]).create_local_runner()
    runner.spawn_users({user.__name__: 1}, wait=False)
    _tell_progress(lambda: [user.recorder.pulse()], user.finished)
    runner.greenlet.join(timeout=0)
    return user.recorder.samples()


def run_with_workers(job: Job) -> Samples:
    """Carry out `job` on several workers, as locust's master.

    Raises RuntimeError when they do not come, or one of them is lost.
    """
    address, port = _listening_at(job)
    runner = Environment(user_classes=[Share]).create_master_runner(address, port)
    count = job.workers.count
    pulses: dict[str, Pulse] = {}
    parts: dict[str, Samples] = {}
    prepared: set[str] = set()
    finished = Event()

    def on_pulse(msg: Any, **_: Any) -> None:
        pulses[msg.node_id] = Pulse(**msg.data)

    def on_samples(msg: Any, **_: Any) -> None:
        parts[msg.node_id] = Samples.load(io.BytesIO(msg.data["samples"]))
        if len(parts) == count:
            finished.set()

    runner.register_message("prepared", lambda msg, **_: prepared.add(msg.node_id))
    runner.register_message("pulse", on_pulse)
    runner.register_message("samples", on_samples)
    local = [] if job.workers.address else [_start_worker(runner.server.port) for _ in range(count)]
    try:
        _await(lambda: len(runner.clients.ready) >= count, job.workers.join_s, "did not join")
        for share, client in enumerate(runner.clients.ready[:count]):
            data = {"job": replace(job, share=share, shares=count).to_json()}
            runner.send_message("job", data, client.id)
        _await(lambda: len(prepared) == count, PREPARE_S, "did not take the job")
        runner.start(count, spawn_rate=count)
        _tell_progress(lambda: _taken(pulses), finished, lambda: _check_alive(runner, parts))
    finally:
        runner.quit()
        for process in local:
            process.wait(PREPARE_S)
    return Samples.merge(list(parts.values()))


def join(address: str, port: int) -> None:
    """Be a worker of the master at `address`, for one job."""
    runner = Environment(user_classes=[Share]).create_worker_runner(address, port)

    def on_job(msg: Any, **_: Any) -> None:
        prepare(Job.from_json(msg.data["job"]))
        gc.freeze()
        gevent.spawn(report)
        runner.send_message("prepared", {})

    def report() -> None:
        while not Share.finished.wait(TICK_S):
            runner.send_message("pulse", asdict(Share.recorder.pulse()))
        file = io.BytesIO()
        Share.recorder.samples().save(file)
        runner.send_message("samples", {"samples": file.getvalue()})

    runner.register_message("job", on_job)
    runner.greenlet.join()


def _tell_progress(
    pulses: Callable[[], list[Pulse]], finished: Event, check: Callable[[], None] = lambda: None
) -> None:
    started = time.perf_counter()
    while not finished.wait(TICK_S):
        check()
        print(json.dumps(asdict(Tick.of(time.perf_counter() - started, pulses()))), flush=True)


def _taken(pulses: dict[str, Pulse]) -> list[Pulse]:
    """The last pulse of each worker, whose latencies are counted once."""
    taken = list(pulses.values())
    for name, pulse in pulses.items():
        pulses[name] = replace(pulse, latencies_s=[])
    return taken


def _check_alive(runner: MasterRunner, parts: dict[str, Samples]) -> None:
    if lost := [client.id for client in runner.clients.missing if client.id not in parts]:
        raise RuntimeError(f"worker {lost[0]} was lost")


def _listening_at(job: Job) -> tuple[str, int]:
    """Where the master listens; 0 is any free port, for workers of this machine alone."""
    address, _, port = (job.workers.address or f"{LOOPBACK}:0").rpartition(":")
    return address, int(port)


def _start_worker(port: int) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "mldeploy.loadtest.worker", "--join", f"{LOOPBACK}:{port}"]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _await(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the workers {what} within {seconds:.0f} s")
        gevent.sleep(0.05)


def main() -> None:
    logging.getLogger("locust").setLevel(logging.ERROR)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if sys.argv[1:2] == ["--join"]:
        address, _, port = sys.argv[2].rpartition(":")
        join(address, int(port))
        return
    job = Job.from_json(sys.stdin.read())
    gc.freeze()  # what is loaded by now need not be searched again while requests are being timed
    samples = run_alone(job) if job.workers == ALONE else run_with_workers(job)
    samples.save(Path(job.samples))


if __name__ == "__main__":
    main()
