"""/docs and /openapi.json, and that FastAPI's routes answer as the server's own."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mldeploy_runtime.http.app import build_app
from mldeploy_runtime.http.documentation import build_documentation
from mldeploy_runtime.http.handling import build_handler
from mldeploy_runtime.http.routes import build_routes
from mldeploy_runtime.logs import Log
from mldeploy_runtime.service import Service
from mldeploy_runtime.settings import Settings
from tests.unit.runtime.bundles import mixed_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.runtime.server import Server


def test_openapi_shows_each_field_with_type_range_and_categories(mixed: Server) -> None:
    document = mixed.client.get("/openapi.json").json()
    fields = document["components"]["schemas"]["Instance"]["properties"]
    assert fields["age"]["anyOf"] == [{"type": "number"}, {"type": "null"}]
    assert fields["age"]["x-observed-range"] == [18.0, 90.0]
    assert fields["plan"]["x-observed-categories"] == ["free", "pro"]
    assert fields["member"]["type"] == "boolean"
    assert document["components"]["schemas"]["ClassPrediction"]["properties"]["label"] == {"enum": ["no", "yes"]}


def test_the_examples_of_openapi_are_answered(mixed: Server) -> None:
    operation = mixed.client.get("/openapi.json").json()["paths"]["/predict"]["post"]
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    answers = [mixed.client.post("/predict", json=example["value"]).json() for example in examples.values()]
    assert len(answers) == 2
    assert answers[0]["predictions"] == answers[1]["predictions"]


def test_every_reference_of_openapi_resolves(mixed: Server) -> None:
    response = mixed.client.get("/openapi.json")
    named = set(re.findall(r'"#/components/schemas/(\w+)"', response.text))
    assert named == response.json()["components"]["schemas"].keys() - {"ValuePrediction"}


def test_docs_is_one_page_that_needs_no_other_host(mixed: Server) -> None:
    response = mixed.client.get("/docs")
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert not re.search(r"(src|href)=\"(https?:)?//", response.text)
    for shown in ("age", "from 18 to 90 in training", "&quot;pro&quot;", 'id="invalid-input"', "POST /predict"):
        assert shown in response.text


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/predict", {"instances": [{"age": 1.0, "plan": "pro", "member": True}]}),
        ("POST", "/predict", {"instances": [{"age": "x", "plan": "pro", "member": True}]}),
        ("POST", "/predict", []),
        ("GET", "/health", None),
        ("GET", "/ready", None),
        ("GET", "/model", None),
    ],
)
def test_fastapi_answers_as_the_server_does(tmp_path: Path, method: str, path: str, body: Any) -> None:
    async def ask() -> list[httpx.Response]:
        service = Service(Settings(mixed_bundle(tmp_path)), Log(os.open(os.devnull, os.O_WRONLY)))
        await service.load()
        handle = build_handler(service)
        apps = (build_app(service), build_documentation(service, build_routes(service, handle), handle))
        answers = []
        for app in apps:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
                answers.append(await client.request(method, path, json=body, headers={"X-Request-ID": "one"}))
        return answers

    ours, fastapis = asyncio.run(ask())
    assert (ours.status_code, ours.content) == (fastapis.status_code, fastapis.content)
    assert ours.headers == fastapis.headers
