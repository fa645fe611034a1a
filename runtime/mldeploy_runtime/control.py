"""The host's way into a running container: `python3 -m mldeploy_runtime.control COMMAND`.

Prints one JSON line; exits with 0 or 1. Standard library only, so that it starts in tens of milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

TRY_EVERY = 0.05
MOST_KEY_SECONDS = 24 * 3600
# A command's own time limit is kept by the server; this much later the client gives up on the server.
GRACE = 5.0


def main() -> None:
    options = _read_arguments()
    try:
        ok, answer = OWN.get(options.command, _ask)(options)
    except OSError as failure:
        ok, answer = (
            False,
            {"reason": f"the server does not answer on {options.control}: {failure.strerror or failure}"},
        )
    print(json.dumps(answer))
    sys.exit(0 if ok else 1)


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mldeploy_runtime.control", description="Ask the server in this container.")
    parser.add_argument("--control", default=os.environ.get("MLDEPLOY_CONTROL", "/run/mldeploy/control.sock"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("status", help="what is served, and whether it is ready")
    ready = commands.add_parser("wait-ready", help="wait until the golden rows were answered correctly")
    commands.add_parser("golden", help="answer the golden rows again")
    metrics = commands.add_parser("metrics", help="the metrics, as Prometheus would read them")
    metrics.add_argument("--port", type=int, default=int(os.environ.get("MLDEPLOY_PORT", "8080")))
    key = commands.add_parser("key", help="make a key that lives for a while, and in this server alone")
    key.add_argument("--name", required=True, help="what the log calls it")
    key.add_argument("--seconds", type=_seconds, required=True, help="how long it lives: a day at most")
    key.add_argument("--scope", choices=("predict", "metrics"), default="predict")
    drain = commands.add_parser("drain", help="wait until out of rotation and nothing is in flight")
    drain.add_argument("--settle", type=float, required=True, help="seconds that it must have been out of rotation")
    seen = commands.add_parser("seen", help="wait until this release is what answers at a URL")
    seen.add_argument("url")
    seen.add_argument("--host-header", default=None)
    for command in (ready, drain, seen):
        command.add_argument("--timeout", type=float, required=True, help="seconds")
    return parser.parse_args()


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= MOST_KEY_SECONDS:
        raise argparse.ArgumentTypeError(f"{text} is not within 0 and {MOST_KEY_SECONDS}")
    return seconds


def _ask(options: argparse.Namespace) -> tuple[bool, dict[str, Any]]:
    asked = {key: value for key, value in vars(options).items() if key != "control"}
    timeout = asked.get("timeout", 0.0)
    # Only wait-ready may come before the server listens.
    patience = timeout if options.command == "wait-ready" else 0.0
    with _connect(options.control, patience) as connection:
        connection.settimeout(timeout + GRACE)
        connection.sendall(json.dumps(asked).encode() + b"\n")
        line = connection.makefile("rb").readline()
    if not line:
        raise ConnectionError("it closed the connection")
    reply = json.loads(line)
    return reply["ok"], reply["answer"]


def _connect(path: str, patience: float) -> socket.socket:
    deadline = time.monotonic() + patience
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            if time.monotonic() >= deadline:
                raise
            time.sleep(TRY_EVERY)
        else:
            return connection


def _seen(options: argparse.Namespace) -> tuple[bool, dict[str, Any]]:
    _, status = _ask(argparse.Namespace(control=options.control, command="status"))
    deadline = time.monotonic() + options.timeout
    attempts = 0
    while True:
        attempts += 1
        left = max(deadline - time.monotonic(), TRY_EVERY)
        if _release_at(options.url, options.host_header, left) == status["release"]:
            return True, {"seen": True, "attempts": attempts}
        if time.monotonic() >= deadline:
            return False, {"seen": False, "attempts": attempts}
        time.sleep(TRY_EVERY)


def _metrics(options: argparse.Namespace) -> tuple[bool, dict[str, Any]]:
    """By HTTP, as everybody else: the workers make them, with a key that lives as long as the question."""
    asked = argparse.Namespace(control=options.control, command="key", name="control", seconds=GRACE, scope="metrics")
    _, access = _ask(asked)
    connection = HTTPConnection("127.0.0.1", options.port, timeout=GRACE)
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {access['key']}"})
        answer = connection.getresponse()
        return answer.status == 200, {"text": answer.read().decode()}
    except HTTPException as failure:
        return False, {"reason": f"/metrics: {failure!r}"}
    finally:
        connection.close()


def _release_at(url: str, host: str | None, timeout: float) -> str | None:
    """The release that answers at `url`; None when nothing, or something else, answers."""
    parts = urlsplit(url)
    headers = {"Host": host} if host else {}
    connection = HTTPConnection(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    try:
        connection.timeout = timeout
        connection.connect()
        if parts.scheme == "https":
            connection.sock = _encrypted(connection.sock, host or parts.hostname)
        connection.request("GET", parts.path.rstrip("/") + "/health", headers=headers)
        release = json.loads(connection.getresponse().read()).get("release")
    except (OSError, HTTPException, ValueError, AttributeError):
        return None
    finally:
        connection.close()
    return release if isinstance(release, str) else None


def _encrypted(plain: socket.socket, name: str | None) -> socket.socket:
    """Without a check of the certificate: the question is which release answers, not who."""
    import ssl

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=name)


# What the client does itself; all else it asks the server.
OWN = {"seen": _seen, "metrics": _metrics}


if __name__ == "__main__":
    main()
