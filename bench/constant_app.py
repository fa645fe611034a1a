"""An ASGI application that answers a constant: what the server and the protocol cost by themselves."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from typing import Any

import uvicorn
import uvloop

BODY = (
    b'{"model":"model","version":"1.0.0","request_id":"20876f254d815d79-1","predictions":[{"label":1,'
    b'"probability":0.9815668599988902,"probabilities":{"0":0.0184331400011098,"1":0.9815668599988902}}]}'
)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    config = uvicorn.Config(
        app,
        port=parser.parse_args().port,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        log_config=None,
    )
    with contextlib.suppress(asyncio.CancelledError):
        uvloop.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
