"""`python3 -m mldeploy_runtime`: serve one bundle until told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from typing import TYPE_CHECKING

import uvicorn
import uvloop

from mldeploy_runtime.bundle import BundleError
from mldeploy_runtime.control_server import start_control
from mldeploy_runtime.http.app import build_app
from mldeploy_runtime.http.protocol import protocol_with
from mldeploy_runtime.logs import Handler, Log
from mldeploy_runtime.service import Service
from mldeploy_runtime.settings import SettingsError, read_settings

if TYPE_CHECKING:
    from types import FrameType

    from mldeploy_runtime.settings import Settings

# Longer than the idle time after which Caddy closes its side (2 minutes): the server that closes first loses the
# request that was just sent on the connection.
KEEP_ALIVE_SECONDS = 150
STOP_SECONDS = 30


def main() -> None:
    # uvicorn drains on these signals and then raises them again; as process 1 of a container there is no default.
    signal.signal(signal.SIGTERM, _exit_cleanly)
    signal.signal(signal.SIGINT, _exit_cleanly)
    settings = read_settings()
    try:
        uvloop.run(_serve(settings))
    except BundleError as failure:
        sys.exit(f"{settings.bundle} cannot be served: {failure}")
    except SettingsError as failure:
        sys.exit(f"the server cannot be started: {failure}")


async def _serve(settings: Settings) -> None:
    log = Log()
    logging.basicConfig(handlers=[Handler(log)])
    service = Service(settings, log)
    server = uvicorn.Server(
        uvicorn.Config(
            build_app(service),
            host=settings.host,
            port=settings.port,
            http=protocol_with(settings.receive_seconds, settings.send_seconds),
            ws="none",
            lifespan="off",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            log_config=None,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )
    control = await start_control(service)
    loading = asyncio.create_task(service.load())
    # What was loaded stays: the garbage collector need not walk over it while requests wait.
    loading.add_done_callback(lambda _: gc.freeze())
    try:
        await server.serve()
    finally:
        loading.cancel()
        if control is not None:
            control.close()
        log.write("stopped")
        log.flush()


def _exit_cleanly(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
