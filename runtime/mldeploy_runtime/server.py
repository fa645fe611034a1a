"""One worker: the HTTP server over one `Service`, from its start until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from mldeploy_runtime.container import LISTENS
from mldeploy_runtime.control_server import start_control
from mldeploy_runtime.http.app import build_app
from mldeploy_runtime.http.express import Express
from mldeploy_runtime.http.gate import Gate
from mldeploy_runtime.http.handling import Handling
from mldeploy_runtime.http.messages import PREDICT
from mldeploy_runtime.http.protocol import protocol_with
from mldeploy_runtime.http.routes import build_routes
from mldeploy_runtime.logs import Handler, Log
from mldeploy_runtime.service import Service

if TYPE_CHECKING:
    from mldeploy_runtime.settings import Settings
    from mldeploy_runtime.workers import Place

# Longer than the idle time after which Caddy closes its side (2 minutes): the server that closes first loses the
# request that was just sent on the connection.
KEEP_ALIVE_SECONDS = 150
STOP_SECONDS = 30


async def serve(settings: Settings, place: Place | None = None) -> None:
    """Serve until told to stop; without a `place` among several workers, as the only one.

    Raises BundleError when the bundle cannot be served.
    """
    log = Log()
    logging.basicConfig(handlers=[Handler(log)])
    service = Service(settings, log, place)
    handling = Handling(service)
    routes = build_routes(handling)
    express = Express(handling, routes[PREDICT])
    server = uvicorn.Server(
        uvicorn.Config(
            build_app(handling, routes),
            host=settings.host,
            port=settings.port,
            http=protocol_with(settings.receive_seconds, settings.send_seconds, Gate(service), express),
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
    path = place.control if place else settings.control
    control = await start_control(Path(path), service.container, service.check_golden) if path else None
    loading = asyncio.create_task(service.load())
    # What was loaded stays: the garbage collector need not walk over it while requests wait.
    loading.add_done_callback(lambda _: gc.freeze())
    if place:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _stop_without_supervisor)
        if not place.listens_at_once:
            await loading
            if not service.ready:
                await asyncio.Event().wait()  # the reason can be asked for, until told to stop
            service.numbers[LISTENS] = True
    try:
        await server.serve([place.listener()] if place else None)
    finally:
        loading.cancel()
        if control is not None:
            control.close()
        if service.prediction_log is not None:
            service.prediction_log.close()
        log.write("stopped")
        log.flush()


def _stop_without_supervisor() -> None:
    """Standard input ends with the process that holds its other side."""
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    os.kill(os.getpid(), signal.SIGTERM)
