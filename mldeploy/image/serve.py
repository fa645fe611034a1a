"""The image's server on this machine, without Docker: the same package, the same bundle."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from mldeploy.errors import MldeployError, UsageError
from mldeploy.image.source import runtime_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.bundle import Bundle

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


@contextmanager
def serving(bundle: Bundle, host: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The server's process, ready to answer at `host`:`port`; ended, after what is in flight, with the block.

    Raises UsageError when the address cannot be listened at, MldeployError when the server does not
    become ready; what the server says goes to our standard error.
    """
    _check_free(host, port)
    argv = [sys.executable, "-m", "mldeploy_runtime", "--bundle", str(bundle.path), "--host", host, "--port", str(port)]
    paths = [str(runtime_source().folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "MLDEPLOY_CONTROL": ""}
    process = subprocess.Popen(argv, env=environment, stdout=sys.stderr, start_new_session=True)
    try:
        _await_ready(process, base_url(host, port))
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
            f"Port {port} is in use" if in_use else f"Cannot listen at {host}:{port}",
            cause=str(failure),
            remedy=f"Choose another port, such as --port {port + 1 if port < 65535 else 8000}.",
        ) from failure


def _await_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    with httpx.Client(base_url=url, timeout=1.0, trust_env=False) as client:
        reason = ""
        while time.monotonic() < deadline:
            if (code := process.poll()) is not None:
                raise MldeployError("The server ended before it was ready", cause=f"exit code {code}; see above")
            try:
                answer = client.get("/ready")
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == httpx.codes.OK:
                return
            reason = str(answer.json().get("reason", ""))
            time.sleep(0.05)
    raise MldeployError("The server does not become ready", cause=reason)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
