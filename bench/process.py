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
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SERVER_CORE, LOAD_CORE = 0, 1
"""The servers have one core to themselves, the load generator the other."""

ROOT = Path(__file__).parents[1]
START_S = 120.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
END_S = 20.0
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
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def memory(self) -> float:
        """What the whole tree of processes holds, in MB, with pages that several share counted once in all."""
        return sum(_pss(pid) for pid in _tree(self.process.pid)) / 1024


def end_servers_when_ended() -> None:
    """Make the signal that ends a process run its `finally` clauses, as Ctrl-C does: servers are not left behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def serving(
    argv: list[str], port: int, path: str, body: str, env: Mapping[str, str], headers: Mapping[str, str] = NO_HEADERS
) -> Iterator[Running]:
    """The server, from its first good answer to `body`, sent with `headers`, on.

    Raises SystemExit with what it said when it gives none.
    """
    with tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *argv],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'runtime'}"} | dict(env),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}{path}"
            answer = _first_answer(process, url, body, headers)
            if answer is None or answer.status_code != 200:
                said.seek(0)
                text = said.read().decode(errors="replace")[-1500:]
                raise SystemExit(f"{' '.join(argv)} gave {answer and answer.text!r}\n{text}")
            yield Running(process, port, url, time.perf_counter() - begun, headers)
        finally:
            _end(process)


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
            # Some listen before their model has loaded.
            if answer.status_code not in (404, 500, 502, 503):
                return answer
            time.sleep(0.02)
    return answer


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the server, and kill what it leaves behind: all are in a group of their own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(END_S)


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def _pss(pid: int) -> int:
    match = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(match[1]) if match else 0
