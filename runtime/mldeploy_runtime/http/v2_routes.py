"""Open Inference Protocol V2 over HTTP, under /v2. Errors are `{"error": "..."}` there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy_runtime import __version__
from mldeploy_runtime.http.messages import V2, Reply, Request, json_reply, notes
from mldeploy_runtime.http.route import Route
from mldeploy_runtime.problems import Problem

if TYPE_CHECKING:
    from mldeploy_runtime.service import Service

HEADER_LENGTH = b"inference-header-content-length"
MOST_DIGITS = 18
REFUSALS = (408, 413, 415, 422, 500, 503)


def v2_routes(service: Service) -> dict[str, Route]:
    """The protocol's routes by their path: the model has one name and one version."""
    manifest = service.manifest
    model = f"{V2}/models/{manifest.name}"

    async def server(_: Request) -> Reply:
        return json_reply({"name": "mldeploy", "version": __version__, "extensions": ["binary_tensor_data"]})

    async def live(_: Request) -> Reply:
        return json_reply({"live": True})

    async def ready(_: Request) -> Reply:
        is_ready = service.container.ready
        return json_reply({"name": manifest.name, "ready": is_ready}, 200 if is_ready else 503)

    async def metadata(_: Request) -> Reply:
        # Imported when first asked for: it needs numpy, which is loaded together with the model.
        from mldeploy_runtime import tensors

        return json_reply(tensors.metadata(manifest))

    async def infer(request: Request) -> Reply:
        service.admit()
        from mldeploy_runtime import tensors

        asked, body = tensors.read_infer(request.body, _header_length(request), manifest, service.settings.max_rows)
        # The protocol has no word for a row that failed.
        answer = await service.predict(body, request.id, request.key, rows_may_fail=False)
        request.rows = len(answer.predictions)
        content, length = tensors.write_infer(asked, answer.predictions, manifest)  # type: ignore[arg-type]  # none failed
        if length is None:
            return Reply(200, content, headers=notes(answer))
        return Reply(200, content, b"application/octet-stream", ((HEADER_LENGTH, b"%d" % length), *notes(answer)))

    routes = {
        V2: Route("GET", server, "Open Inference Protocol V2: the server."),
        f"{V2}/health/live": Route("GET", live, "The process is alive."),
        f"{V2}/health/ready": Route("GET", ready, "The model is ready.", may_be_down=True),
    }
    for path in (model, f"{model}/versions/{manifest.version}"):
        routes[path] = Route("GET", metadata, "The model's tensors.")
        routes[f"{path}/ready"] = Route("GET", ready, "The model is ready.", may_be_down=True)
        routes[f"{path}/infer"] = Route("POST", infer, "Predictions from tensors.", problems=REFUSALS, counted=True)
    return routes


def _header_length(request: Request) -> int | None:
    given = request.headers.get(HEADER_LENGTH)
    if given is None:
        return None
    # Python reads no number of thousands of digits, and no body has so many bytes.
    if not given.isdigit() or len(given) > MOST_DIGITS:
        raise Problem("invalid-input", "Inference-Header-Content-Length is no number")
    return int(given)
