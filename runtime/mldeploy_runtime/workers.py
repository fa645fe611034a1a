"""Several workers: one process starts them, starts a new one for each that dies, and answers for them to the host."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from mldeploy_runtime.bundle import read_manifest, with_settings
from mldeploy_runtime.container import READY, Container
from mldeploy_runtime.control_server import start_control
from mldeploy_runtime.golden import GoldenReport
from mldeploy_runtime.logs import Log
from mldeploy_runtime.machine import cores, memory_bytes
from mldeploy_runtime.shared import Memory, create_memory
from mldeploy_runtime.store import model_size

if TYPE_CHECKING:
    from mldeploy_runtime.settings import Settings

VARIABLE = "MLDEPLOY_PLACE"
BACKLOG = 2048
# A worker that could not serve is tried again after this.
RESTART_SECONDS = 2.0
# A worker gives up on what is in flight after 30 s.
STOP_SECONDS = 33.0
GOLDEN_SECONDS = 60.0

# What the process of a small model takes with all that it loads, measured, and how often a model's bytes are in memory
# while it is being loaded.
WORKER_BYTES = 100_000_000
MODEL_COPIES = 4
SUPERVISOR_BYTES = 40_000_000


@dataclass(frozen=True)
class Place:
    """A worker's place among the others: descriptors of the shared memory and of the socket that all listen on.

    One that does not listen at once does so when it is ready, so that nobody's request waits for it.
    """

    index: int
    workers: int
    memory_fd: int
    listener_fd: int
    control: str | None
    listens_at_once: bool

    def listener(self) -> socket.socket:
        return socket.socket(fileno=self.listener_fd)


def own_place() -> Place | None:
    """The place that this process was started for; None for a process that was started by hand."""
    text = os.environ.get(VARIABLE)
    return Place(**json.loads(text)) if text else None


def how_many(settings: Settings) -> int:
    """The workers to start: as many as are asked for, else as there are cores; never more than memory holds.

    Raises BundleError when the bundle does not say where its model is.
    """
    size = model_size(settings.bundle)
    hold = (memory_bytes() - SUPERVISOR_BYTES) // (WORKER_BYTES + MODEL_COPIES * size)
    return max(1, min(settings.workers or cores(), hold))


async def supervise(settings: Settings, count: int) -> int:
    """Keep `count` workers running until told to stop; the exit code is 1 if they could not start."""
    supervisor = _Supervisor(settings, count)
    return await supervisor.run()


class _Supervisor:
    def __init__(self, settings: Settings, count: int) -> None:
        """Raises BundleError when the bundle cannot be read, OSError when the port cannot be had."""
        self._settings = settings
        manifest = with_settings(read_manifest(settings.bundle), settings)
        self._memory = create_memory()
        self._container = Container(settings, manifest, Memory(self._memory), count)
        self._listener = socket.create_server((settings.host, settings.port), backlog=BACKLOG)
        # What a worker hashes, such as a caller of the rate limiter, must be the same in all of them.
        self._environment = os.environ | {"PYTHONHASHSEED": str(random.SystemRandom().randrange(2**32))}
        self._log = Log()
        self._stop = asyncio.Event()
        self._exit_code = 0

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        control = None
        if self._settings.control is not None:
            control = await start_control(self._settings.control, self._container, self._check_golden)
        await asyncio.gather(*(self._keep(index) for index in range(len(self._container.workers))))
        if control is not None:
            control.close()
        return self._exit_code

    async def _keep(self, index: int) -> None:
        """Have a worker in this place until told to stop."""
        worker = self._container.workers[index]
        listens_at_once = index == 0
        while not self._stop.is_set():
            process = await self._start(index, listens_at_once=listens_at_once)
            await self._ended(process)
            was_ready = worker.numbers[READY]
            worker.forget()
            if self._stop.is_set():
                break
            if not (was_ready or any(other.numbers[READY] for other in self._container.workers)):
                self._exit_code = 1
                self._stop.set()
                break
            self._log.write("worker ended", "error", worker=index, exit_code=process.returncode)
            listens_at_once = False
            if not was_ready:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), RESTART_SECONDS)

    async def _start(self, index: int, *, listens_at_once: bool) -> asyncio.subprocess.Process:
        place = Place(
            index,
            len(self._container.workers),
            self._memory,
            self._listener.fileno(),
            self._control_of(index),
            listens_at_once,
        )
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "mldeploy_runtime", *sys.argv[1:]),
            env=self._environment | {VARIABLE: json.dumps(asdict(place))},
            stdin=asyncio.subprocess.PIPE,
            pass_fds=(self._memory, self._listener.fileno()),
        )

    async def _ended(self, process: asyncio.subprocess.Process) -> None:
        """Wait until a worker has ended by itself or, once told to stop, has finished what is in flight."""
        ended = asyncio.ensure_future(process.wait())
        stop = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait([ended, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not ended.done():
            process.terminate()
            await asyncio.wait([ended], timeout=STOP_SECONDS)
        if not ended.done():
            process.kill()
        await ended

    def _control_of(self, index: int) -> str | None:
        control = self._settings.control
        return None if control is None else str(control.with_name(f"worker-{index}.sock"))

    async def _check_golden(self) -> GoldenReport:
        """The worst of what the workers answer."""
        places = [index for index, worker in enumerate(self._container.workers) if worker.numbers[READY]]
        reports = await asyncio.gather(*(self._golden_of(index) for index in places))
        return max(reports, key=lambda report: (report.mismatches, report.max_error))

    async def _golden_of(self, index: int) -> GoldenReport:
        async with asyncio.timeout(GOLDEN_SECONDS):
            reader, writer = await asyncio.open_unix_connection(self._control_of(index))
            writer.write(b'{"command": "golden"}\n')
            reply = json.loads(await reader.readline())
            writer.close()
        return GoldenReport(**reply["answer"])
