"""The image's server on this machine, without Docker: the same package, the same bundle."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError, UsageError
from mldeploy.image.native import server_python
from mldeploy.image.source import runtime_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.bundle import Bundle

READY_TIMEOUT_S = 60.0
POLL_S = 0.02
STOP_TIMEOUT_S = 30.0


@contextmanager
def serving(bundle: Bundle, host: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The server's process, ready to answer at `host`:`port`; ended, after what is in flight, with the block.

    Raises UsageError when the address cannot be listened at, MldeployError when the server does not
    become ready; what the server says goes to our standard error.
    """
    _check_free(host, port)
    paths = [str(runtime_source().folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    python = sys.executable if bundle.manifest.native is None else str(server_python(bundle, runtime_source()))
    argv = [python, "-m", "mldeploy_runtime", "--bundle", str(bundle.path), "--host", host, "--port", str(port)]
    with tempfile.TemporaryDirectory(prefix="mldeploy-") as folder:
        control = str(Path(folder) / "control.sock")
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "MLDEPLOY_CONTROL": control}
        process = subprocess.Popen(argv, env=environment, stdout=sys.stderr, start_new_session=True)
        try:
            _await_ready(python, process, environment)
            yield process
        finally:
            _stop(process)


def base_url(host: str, port: int) -> str:
    """Where a server that listens at `host` answers on this machine."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _check_free(host: str, port: int) -> None:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as failure:
        in_use = failure.errno == errno.EADDRINUSE
        raise UsageError(
            f"port {port} is in use" if in_use else f"Cannot listen at {host}:{port}",
            cause=str(failure),
            remedy=f"Choose another port, such as --port {port + 1 if port < 65535 else 8000}.",
        ) from failure


def _await_ready(python: str, server: subprocess.Popen[bytes], environment: dict[str, str]) -> None:
    """Wait, with the runtime's own control client, until the golden rows were answered."""
    ask = [python, "-m", "mldeploy_runtime.control", "wait-ready", "--timeout", str(READY_TIMEOUT_S)]
    with subprocess.Popen(ask, env=environment, stdout=subprocess.PIPE, start_new_session=True) as client:
        try:
            while client.poll() is None:
                if (code := server.poll()) is not None:
                    raise MldeployError("the server ended before it was ready", cause=f"exit code {code}; see above")
                time.sleep(POLL_S)
        finally:
            client.kill()
        said = client.stdout.read() if client.stdout else b""
    if client.returncode:
        raise MldeployError("the server does not become ready", cause=str(json.loads(said or b"{}").get("reason", "")))


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
