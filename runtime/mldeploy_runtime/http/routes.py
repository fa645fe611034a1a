"""What is served at which path."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING

import msgspec

from mldeploy_runtime.http.conversions import Conversions
from mldeploy_runtime.http.formats import formats_of
from mldeploy_runtime.http.messages import PREDICT, Reply, Request, json_reply, notes
from mldeploy_runtime.http.route import Route
from mldeploy_runtime.http.v2_routes import v2_routes

if TYPE_CHECKING:
    from fastapi import FastAPI

    from mldeploy_runtime.http.handling import Handling


def build_routes(handling: Handling) -> dict[str, Route]:
    """The routes by their path. `handling` is what a request goes through before its route."""
    service = handling.service
    manifest, settings, container = service.manifest, service.settings, service.container
    encode = msgspec.json.Encoder().encode
    conversions = Conversions(service)

    async def predict(request: Request) -> Reply:
        given, wanted = formats_of(request.headers.get(b"content-type"), request.headers.get(b"accept"))
        service.admit()
        body = request.body
        if given is not None:
            body = await conversions.read(body, given)
            service.admit()  # again, since others came meanwhile
        # A table has no place for a row that failed.
        answer = await service.predict(body, request.id, request.key, rows_may_fail=wanted is None)
        request.rows = len(answer.predictions)
        if wanted is not None:
            table = await conversions.write(answer.predictions, wanted)
            return Reply(200, table, wanted.media.encode(), notes(answer))
        return Reply(200, encode(answer))

    async def health(_: Request) -> Reply:
        return json_reply(
            {
                "status": "ok",
                "name": manifest.name,
                "version": manifest.version,
                "release": settings.release,
                "bundle_id": manifest.bundle_id,
                "loaded_at": service.loaded_at,
                "load_seconds": service.load_seconds,
            }
        )

    async def ready(_: Request) -> Reply:
        state = {"ready": container.ready, "reason": container.reason, "degraded": container.circuit.is_open}
        return json_reply(state, 200 if container.ready else 503)

    async def rotation(_: Request) -> Reply:
        state = {"in_rotation": container.in_rotation, "ready": container.ready}
        return json_reply(state, 200 if all(state.values()) else 503)

    async def metrics(_: Request) -> Reply:
        from mldeploy_runtime.exposition import CONTENT_TYPE, exposition

        return Reply(200, exposition(service), CONTENT_TYPE)

    async def model(_: Request) -> Reply:
        return json_reply(
            {
                "name": manifest.name,
                "version": manifest.version,
                "bundle_id": manifest.bundle_id,
                "task": manifest.task,
                "inputs": manifest.inputs,
                "outputs": manifest.outputs,
                "threshold": manifest.threshold,
                "source_sha256": manifest.source.get("sha256"),
                "precision": manifest.precision,
                "proof": manifest.proof,
                "metadata": manifest.metadata,
            }
        )

    @functools.cache
    def documentation() -> FastAPI:
        from mldeploy_runtime.http.documentation import build_documentation

        return build_documentation(handling, documented)

    async def openapi(_: Request) -> Reply:
        return json_reply((await asyncio.to_thread(documentation)).openapi())

    async def docs(_: Request) -> Reply:
        from mldeploy_runtime.http.page import CONTENT_SECURITY_POLICY, page

        policy = ((b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),)
        return Reply(200, page(service, documented).encode(), b"text/html; charset=utf-8", policy)

    documented = {
        PREDICT: Route("POST", predict, "Predictions for one row or many.", (408, 413, 415, 422, 500, 503), True),
        "/health": Route("GET", health, "The process is alive: what it serves, and since when.", scope=None),
        "/ready": Route(
            "GET",
            ready,
            "Whether the model has answered its golden rows; 503 until it has.",
            may_be_down=True,
            scope=None,
        ),
        "/rotation": Route(
            "GET",
            rotation,
            "Whether this release takes traffic, for the load balancer.",
            may_be_down=True,
            scope=None,
        ),
        "/metrics": Route("GET", metrics, "Metrics in Prometheus' text format.", scope="metrics"),
        "/model": Route("GET", model, "What is served: fields, classes, and how far it was proven."),
        **v2_routes(service),
    }
    routes = documented | {
        "/docs": Route("GET", docs, "This documentation, for people."),
        "/openapi.json": Route("GET", openapi, "This documentation, for machines."),
    }
    service.count_traffic(routes)
    return routes
