"""The control socket: what the host asks of this container, never a port. One JSON line asks, one answers."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from mldeploy_runtime.control import MOST_KEY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from mldeploy_runtime.container import Container
    from mldeploy_runtime.golden import GoldenReport

    CheckGolden = Callable[[], Awaitable[GoldenReport]]

LOOK_EVERY = 0.02


async def start_control(path: Path, container: Container, check_golden: CheckGolden) -> asyncio.Server:
    """Listen on a socket at `path` for what is asked of `container`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = json.loads(await reader.readline())
            ok, answer = await _answer(container, check_golden, asked)
            writer.write(json.dumps({"ok": ok, "answer": answer}).encode() + b"\n")
            await writer.drain()
        except (ValueError, KeyError, TypeError, ConnectionError):
            pass  # not our client, or it went away
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, path)
    path.chmod(0o600)
    return server


async def _answer(
    container: Container, check_golden: CheckGolden, asked: dict[str, Any]
) -> tuple[bool, dict[str, Any]]:
    """Whether the command succeeded, and what it has to say."""
    match asked["command"]:
        case "status":
            return True, container.status()
        case "wait-ready":
            return await _wait_ready(container, asked["timeout"])
        case "key":
            return True, _key(container, asked["name"], asked["seconds"], asked["scope"])
        case "golden":
            if not container.ready:
                return False, {"rows": 0, "mismatches": 0, "max_error": 0.0, "tolerance": 0.0}
            report = await check_golden()
            return report.holds, msgspec.structs.asdict(report)
        case "drain":
            return await _drain(container, asked["settle"], asked["timeout"])
        case unknown:
            raise KeyError(unknown)


async def _wait_ready(container: Container, timeout: float) -> tuple[bool, dict[str, Any]]:
    deadline = time.monotonic() + timeout
    while not container.settled:
        if time.monotonic() >= deadline:
            return False, container.status() | {"reason": f"{container.reason}, for more than {timeout:g} s"}
        await asyncio.sleep(LOOK_EVERY)
    return container.ready, container.status()


def _key(container: Container, name: str, seconds: float, scope: str) -> dict[str, Any]:
    """A key for the host's own calls, which nothing has to take back."""
    if not 0 < seconds <= MOST_KEY_SECONDS:
        raise ValueError(seconds)
    expires = datetime.fromtimestamp(int(time.time() + seconds), UTC)
    return {"key": container.signer.issue(name, scope, expires.timestamp()), "expires": expires.isoformat()}


async def _drain(container: Container, settle: float, timeout: float) -> tuple[bool, dict[str, Any]]:
    """Wait until the release has been out of rotation for `settle` seconds and has nothing in flight.

    A load balancer asks for the rotation now and then, so it may send requests until it has looked again.
    """
    deadline = time.monotonic() + timeout
    out_since = time.monotonic()
    while True:
        now = time.monotonic()
        if container.in_rotation:
            out_since = now
        drained = now - out_since >= settle and not container.in_rotation and container.in_flight == 0
        if drained or now >= deadline:
            return drained, {"drained": drained, "in_flight": container.in_flight}
        await asyncio.sleep(LOOK_EVERY)
