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
    from mldeploy_runtime.service import Service

LOOK_EVERY = 0.05


async def start_control(service: Service) -> asyncio.Server | None:
    """Listen on the socket that the settings name, if any."""
    path = service.settings.control
    if path is None:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = json.loads(await reader.readline())
            ok, answer = await _answer(service, asked)
            writer.write(json.dumps({"ok": ok, "answer": answer}).encode() + b"\n")
            await writer.drain()
        except (ValueError, KeyError, TypeError, ConnectionError):
            pass  # not our client, or it went away
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, path)
    path.chmod(0o600)
    return server


async def _answer(service: Service, asked: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
    """Whether the command succeeded, and what it has to say."""
    match asked["command"]:
        case "status":
            return True, service.status()
        case "wait-ready":
            return await _wait_ready(service, asked["timeout"])
        case "key":
            return True, _key(service, asked["name"], asked["seconds"], asked["scope"])
        case "golden":
            return await _golden(service)
        case "drain":
            return await _drain(service, asked["settle"], asked["timeout"])
        case unknown:
            raise KeyError(unknown)


async def _wait_ready(service: Service, timeout: float) -> tuple[bool, dict[str, Any]]:
    try:
        await asyncio.wait_for(service.settled.wait(), timeout)
    except TimeoutError:
        return False, service.status() | {"reason": f"{service.reason}, for more than {timeout:g} s"}
    return service.ready, service.status()


async def _golden(service: Service) -> tuple[bool, dict[str, Any]]:
    if not service.ready:
        return False, {"rows": 0, "mismatches": 0, "max_error": 0.0, "tolerance": service.golden.tolerance}
    report = await service.check_golden()
    return report.holds, msgspec.structs.asdict(report)


def _key(service: Service, name: str, seconds: float, scope: str) -> dict[str, Any]:
    """A key for the host's own calls, which nothing has to take back."""
    if not 0 < seconds <= MOST_KEY_SECONDS:
        raise ValueError(seconds)
    expires = datetime.fromtimestamp(int(time.time() + seconds), UTC)
    return {"key": service.signer.issue(name, scope, expires.timestamp()), "expires": expires.isoformat()}


async def _drain(service: Service, settle: float, timeout: float) -> tuple[bool, dict[str, Any]]:
    """Wait until the release has been out of rotation for `settle` seconds and has nothing in flight.

    A load balancer asks for the rotation now and then, so it may send requests until it has looked again.
    """
    deadline = time.monotonic() + timeout
    out_since = time.monotonic()
    while True:
        now = time.monotonic()
        if service.in_rotation:
            out_since = now
        drained = now - out_since >= settle and not service.in_rotation and service.in_flight == 0
        if drained or now >= deadline:
            return drained, {"drained": drained, "in_flight": service.in_flight}
        await asyncio.sleep(LOOK_EVERY)
