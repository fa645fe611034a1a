"""What is served at which path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mldeploy_runtime.http.messages import Reply, Request, json_reply
from mldeploy_runtime.http.route import Route
from mldeploy_runtime.http.v2_routes import v2_routes
from mldeploy_runtime.problems import Problem

if TYPE_CHECKING:
    from mldeploy_runtime.service import Service


def build_routes(service: Service) -> dict[str, Route]:
    """The routes by their path."""
    manifest, settings = service.manifest, service.settings
    encode = msgspec.json.Encoder().encode

    async def predict(request: Request) -> Reply:
        _check_content(request)
        service.admit()
        answer = await service.predict(request.body, request.id)
        request.rows = len(answer.predictions)
        service.metrics.predictions(answer.predictions)
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
        return json_reply({"ready": service.ready, "reason": service.reason}, 200 if service.ready else 503)

    async def rotation(_: Request) -> Reply:
        serves = service.ready and service.in_rotation
        return json_reply({"in_rotation": service.in_rotation, "ready": service.ready}, 200 if serves else 503)

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

    return {
        "/predict": Route("POST", predict, "Predictions for one row or many.", (408, 413, 415, 422, 500, 503), True),
        "/health": Route("GET", health, "The process is alive: what it serves, and since when."),
        "/ready": Route(
            "GET", ready, "Whether the model has answered its golden rows; 503 until it has.", may_be_down=True
        ),
        "/rotation": Route(
            "GET", rotation, "Whether this release takes traffic, for the load balancer.", may_be_down=True
        ),
        "/metrics": Route("GET", metrics, "Metrics in Prometheus' text format."),
        "/model": Route("GET", model, "What is served: fields, classes, and how far it was proven."),
        **v2_routes(service),
    }


def _check_content(request: Request) -> None:
    """JSON in UTF-8, not compressed; a request that does not say what it brings is taken to bring that."""
    encoding = request.headers.get(b"content-encoding", b"identity")
    if encoding != b"identity":
        raise Problem(
            "unsupported-encoding",
            f"Send the body uncompressed, not as {encoding.decode('latin-1')}.",
            headers=((b"accept-encoding", b"identity"),),
        )
    given = request.headers.get(b"content-type")
    if given is None or given == b"application/json":
        return
    media, _, parameters = given.decode("latin-1").lower().partition(";")
    charset = parameters.replace('"', "").partition("charset=")[2].strip() or "utf-8"
    if media.strip() != "application/json" or charset not in ("utf-8", "utf8"):
        raise Problem(
            "unsupported-type",
            f"Send Content-Type: application/json in UTF-8, not {given.decode('latin-1')}.",
            headers=((b"accept", b"application/json"),),
        )
