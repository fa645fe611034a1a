"""Servers as processes: started on one core, awaited, measured as a whole tree, ended."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SERVER_CORE, LOAD_CORE = 0, 1
"""The servers have one core to themselves, the load generator the other."""

ROOT = Path(__file__).parents[1]
START_S = 120.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
END_S = 20.0
END_BYTES = 1500
SETTLE_S = 10.0
NO_HEADERS: dict[str, str] = {}


@dataclass(frozen=True)
class Running:
    """A server that has given its first answer, `seconds` after its start."""

    process: subprocess.Popen[bytes]
    port: int
    url: str
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)

    def cpu_seconds(self) -> float:
        """What the process has computed for so far, without its children."""
        return _ticks(self.process.pid) / TICKS_PER_SECOND

    def memory(self) -> float:
        """What the whole tree of processes holds, in MB, with pages that several of them share counted once.

        Pages of files count in full, whoever else on the machine has them in use.
        """
        own, files = 0, dict[str, int]()
        for pid in _tree(self.process.pid):
            own += _own_kilobytes(pid)
            for file, kilobytes in _file_kilobytes(pid).items():
                files[file] = max(files.get(file, 0), kilobytes)
        return (own + sum(files.values())) / 1024

    def pause(self) -> None:
        """Stop all of the tree where it is: who waits for its turn must not compute meanwhile."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def settle(self) -> None:
        """Wait until the tree computes no more: what a load leaves behind must not burden who is measured next."""
        deadline = time.monotonic() + SETTLE_S
        before = self.ticks()
        while time.monotonic() < deadline:
            time.sleep(0.1)
            now = self.ticks()
            if now - before <= 1:
                return
            before = now

    def _signal(self, number: signal.Signals) -> None:
        for pid in _tree(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def ticks(self) -> int:
        """What the whole tree has computed for so far, in ticks of the system's clock."""
        return sum(_ticks(pid) for pid in _tree(self.process.pid))


def end_servers_when_ended() -> None:
    """Make the signal that ends a process run its `finally` clauses, as Ctrl-C does: servers are not left behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def serving(
    argv: list[str], port: int, path: str, body: str, env: Mapping[str, str], headers: Mapping[str, str] = NO_HEADERS
) -> Iterator[Running]:
    """The server, from its first good answer to `body`, sent with `headers`, on.

    Raises SystemExit with what it said when it gives none. Its output is a pipe, as in a container: a server that
    writes a line a request to a file waits for the disk.
    """
    url = f"http://127.0.0.1:{port}{path}"
    with tempfile.TemporaryFile() as said:
        with _end_into(said) as output:
            begun = time.perf_counter()
            process = subprocess.Popen(
                ["taskset", "-c", str(SERVER_CORE), *argv],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}"} | dict(env),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                answer = _first_answer(process, url, body, headers)
                good = answer is not None and answer.status_code == 200
                if good:
                    yield Running(process, port, url, time.perf_counter() - begun, headers)
            finally:
                _end(process)
        if not good:
            said.seek(0)
            text = said.read().decode(errors="replace")
            raise SystemExit(f"{' '.join(argv)} gave {answer and answer.text!r}\n{text}")


@contextmanager
def _end_into(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """A pipe; the end of what was written to it is in `file` afterwards."""
    argv = ["taskset", "-c", str(LOAD_CORE), "tail", "-c", str(END_BYTES)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=file, start_new_session=True) as tail:
        assert tail.stdin is not None  # noqa: S101 - as was asked for
        yield tail.stdin


def free_ports(count: int = 3) -> int:
    """The first of `count` ports in a row that nobody has."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first: int = probe.getsockname()[1]
        if all(_is_free(first + number) for number in range(count)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def _first_answer(
    process: subprocess.Popen[bytes], url: str, body: str, headers: Mapping[str, str]
) -> httpx.Response | None:
    deadline = time.monotonic() + START_S
    answer = None
    with httpx.Client(timeout=30) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                answer = client.post(url, content=body, headers={"Content-Type": "application/json", **headers})
            except httpx.TransportError:
                time.sleep(0.02)
                continue
            if answer.status_code == 200:
                return answer
            time.sleep(0.02)  # some listen before their model has loaded
    return answer


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server, and kill what it leaves behind: its group, and those of its tree that left the group."""
    handles = [os.pidfd_open(pid) for pid in _tree(process.pid) if Path(f"/proc/{pid}").exists()]
    for handle in handles:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGCONT)  # one that is paused hears nothing else
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(END_S)
    for handle in handles:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.close(handle)


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):
                found += [int(child) for child in task.read_text().split()]
    return found


def _ticks(pid: int) -> int:
    """Processor time in ticks; 0 of a process that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(fields[11]) + int(fields[12])


def _own_kilobytes(pid: int) -> int:
    """Memory that is of no file; what is shared since a fork is counted in parts."""
    match = re.search(r"^Pss_Anon:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(match[1]) if match else 0


def _file_kilobytes(pid: int) -> dict[str, int]:
    """The pages in memory of each file that the process has mapped, without those that it has made its own.

    Named shared memory is such a file.
    """
    found: dict[str, int] = {}
    file = ""
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name, _, rest = line.partition(" ")
        if not name.endswith(":"):
            path = line.split(maxsplit=5)[5:]
            file = path[0] if path and path[0].startswith("/") else ""
        elif file and name in ("Rss:", "Anonymous:"):
            size = int(rest.split()[0])
            found[file] = found.get(file, 0) + (size if name == "Rss:" else -size)
    return found
