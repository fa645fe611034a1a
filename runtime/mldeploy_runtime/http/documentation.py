"""The same routes as a FastAPI application, which documents them: /docs and /openapi.json.

FastAPI takes half a second and 15 MB to import, so this module is loaded when its paths are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from msgspec import UNSET, UnsetType
from starlette.requests import Request as StarletteRequest  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import Response

from mldeploy_runtime.http import arrow_format, csv_format
from mldeploy_runtime.http.handling import request_of
from mldeploy_runtime.http.messages import V2, ProblemDocument, head_of
from mldeploy_runtime.predictions import TYPES
from mldeploy_runtime.problems import KINDS, FieldError
from mldeploy_runtime.service import FailedRow
from mldeploy_runtime.tensors import InferRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from mldeploy_runtime.bundle import Outputs
    from mldeploy_runtime.http.handling import Handling
    from mldeploy_runtime.http.route import Route
    from mldeploy_runtime.service import Service
    from mldeploy_runtime.settings import Settings

REFERENCE = "#/components/schemas/{name}"
BINARY = {"type": "string", "format": "binary"}
WAYS_OF_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def build_documentation(handling: Handling, routes: dict[str, Route]) -> FastAPI:
    """An application that answers `routes` as the server does, and describes them from the manifest."""
    service = handling.service
    manifest, settings = service.manifest, service.settings
    app = FastAPI(
        title=manifest.name,
        version=manifest.version,
        description=f"Predictions of {manifest.name} {manifest.version}, {manifest.described}.",
        docs_url=None,
        redoc_url=None,
    )
    for path, route in routes.items():
        app.add_api_route(
            path,
            _endpoint(route, handling),
            methods=[route.method],
            summary=route.summary,
            operation_id=path.strip("/").replace("/", "-"),
            response_class=Response,
            responses=_responses(path, route, settings),
            openapi_extra=_extra(path, route, settings),
        )

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            # Set here, because FastAPI leaves nulls out of what it is given for a route.
            document["paths"]["/predict"]["post"]["requestBody"] = _request_body(service)
            components = {
                "schemas": _schemas(service),
                **({"securitySchemes": WAYS_OF_KEYS} if settings.needs_key else {}),
            }
            app.openapi_schema = document | {"components": components}
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document
    return app


def _endpoint(route: Route, handling: Handling) -> Callable[[StarletteRequest], Coroutine[Any, Any, Response]]:
    async def endpoint(starlette: StarletteRequest) -> Response:
        request = request_of(starlette.scope)
        reply = await handling.handle(route, request, starlette.scope, starlette.receive)
        response = Response(reply.body, reply.status)
        response.raw_headers = head_of(reply, request)
        return response

    return endpoint


def _extra(path: str, route: Route, settings: Settings) -> dict[str, Any]:
    """What FastAPI does not know of a route: how it takes keys, and what a body of the V2 protocol is."""
    extra: dict[str, Any] = {}
    if settings.needs_key and route.scope is not None:
        extra["security"] = [{name: []} for name in WAYS_OF_KEYS]
    if path.startswith(V2) and route.method == "POST":
        schema = {"$ref": REFERENCE.format(name="InferRequest")}
        binary = {"schema": BINARY}
        extra["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}, "application/octet-stream": binary},
        }
    return extra


def _request_body(service: Service) -> dict[str, Any]:
    instances = service.golden.instances[:2]
    columns = {field.name: [instance[field.name] for instance in instances] for field in service.manifest.inputs}
    examples = {
        "instances": {"summary": "Row by row", "value": {"instances": instances}},
        "columns": {"summary": "Column by column", "value": {"columns": columns}},
    }
    schema = {"$ref": REFERENCE.format(name="PredictRequest")}
    content = {"schema": schema, "examples": examples if instances else {}}
    return {"required": True, "content": {"application/json": content, **_tables()}}


def _tables() -> dict[str, Any]:
    """The types of a batch beside JSON, as they are asked for and answered in."""
    return {csv_format.MEDIA: {"schema": {"type": "string"}}, arrow_format.MEDIA: {"schema": BINARY}}


def _responses(path: str, route: Route, settings: Settings) -> dict[int | str, dict[str, Any]]:
    answered: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}}
    if path == "/predict":
        answered = {"application/json": {"schema": {"$ref": REFERENCE.format(name="PredictResponse")}}, **_tables()}
    elif path == "/metrics":
        answered = {"text/plain": {"schema": {"type": "string"}}}
    elif path.startswith(V2) and route.method == "POST":
        answered["application/octet-stream"] = {"schema": BINARY}
    responses: dict[int | str, dict[str, Any]] = {200: {"description": "Answered.", "content": answered}}
    if route.may_be_down:
        responses[503] = {"description": "Not now.", "content": answered}
    problem: dict[str, Any] = {"application/problem+json": {"schema": {"$ref": REFERENCE.format(name="Problem")}}}
    if path.startswith(V2):
        problem = {"application/json": {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}}
    for status in sorted({*route.problems, *_statuses_of_the_shield(route, settings)}):
        titles = sorted(kind.title for kind in KINDS.values() if kind.status == status)
        responses[status] = {"description": ", or: ".join(titles) + ".", "content": problem}
    return responses


def _statuses_of_the_shield(route: Route, settings: Settings) -> tuple[int, ...]:
    if route.scope is None:
        return ()
    if settings.needs_key:
        return (401, 403, 429)
    return (429,) if settings.rate_per_address else ()


def _schemas(service: Service) -> dict[str, Any]:
    """The schemas of request, answer and problem, from the very types that decode and encode them."""
    manifest = service.manifest
    prediction = TYPES[manifest.task]
    answer = msgspec.defstruct(
        "PredictResponse",
        [
            ("model", str), ("version", str), ("request_id", str), ("predictions", list[prediction]),  # type: ignore[valid-type]
            ("warnings", list[FieldError] | UnsetType, UNSET), ("fallback", bool | UnsetType, UNSET),
        ],
    )  # fmt: skip
    _, schemas = msgspec.json.schema_components(
        [service.contract.type, answer, FailedRow, ProblemDocument, InferRequest], ref_template=REFERENCE
    )
    either = [{"$ref": REFERENCE.format(name=kind.__name__)} for kind in (prediction, FailedRow)]
    schemas["PredictResponse"]["properties"]["predictions"]["items"] = {"anyOf": either}
    schemas["PredictRequest"]["oneOf"] = [{"required": ["instances"]}, {"required": ["columns"]}]
    schemas[prediction.__name__]["properties"] |= _outputs(manifest.outputs)
    schemas["Problem"] = schemas.pop("ProblemDocument") | {"title": "Problem"}
    return schemas


def _outputs(outputs: Outputs) -> dict[str, Any]:
    """What a prediction holds, class by class and output by output."""
    if outputs.classes is not None:
        return {"label": {"enum": list(outputs.classes)}}
    if outputs.classes_by_output is not None:
        by_output = zip(outputs.names or (), outputs.classes_by_output, strict=True)
        return {"labels": _object({name: {"enum": list(classes)} for name, classes in by_output})}
    if outputs.names is not None:
        return {"values": _object({name: {"type": ["number", "null"]} for name in outputs.names})}
    return {}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
