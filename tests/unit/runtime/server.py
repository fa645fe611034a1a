"""The real server as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNTIME = Path(__file__).parents[3] / "runtime"
START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen[str]
    port: int
    control_socket: Path
    client: httpx.Client

    def control(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run the control client; its exit code and what it printed."""
        command = [sys.executable, "-m", "mldeploy_runtime.control", "--control", str(self.control_socket), *arguments]
        done = subprocess.run(command, env=_environment(), capture_output=True, text=True, timeout=60, check=False)
        assert done.stderr == ""
        return done.returncode, json.loads(done.stdout)

    def raw(self, request: bytes, *, shut: bool = False) -> bytes:
        """Send bytes as they are and read until the server closes; `shut` ends our side after them."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            if shut:
                connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def stop(self) -> tuple[int, str]:
        """Ask it to stop as Docker does; its exit code and what it wrote to standard error."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@contextmanager
def started(
    bundle: Path, folder: Path, *, release: str = "r3", ready: bool = True, **environment: str
) -> Iterator[Server]:
    """A server of `bundle` on a free port, its socket in `folder`; `ready` waits until it is."""
    port = free_port()
    control = folder / "control.sock"
    process = subprocess.Popen(
        [sys.executable, "-m", "mldeploy_runtime", "--bundle", str(bundle), "--host", "127.0.0.1"],
        env=_environment()
        | {"MLDEPLOY_PORT": str(port), "MLDEPLOY_CONTROL": str(control), "MLDEPLOY_RELEASE": release}
        | {"MLDEPLOY_WORKERS": "1"}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        server = Server(process, port, control, client)
        try:
            code, answer = server.control("wait-ready", "--timeout", str(START_SECONDS))
            if ready and code != 0:
                process.kill()
                raise AssertionError(f"{answer}\n{process.communicate()[1]}")
            yield server
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(RUNTIME)}
