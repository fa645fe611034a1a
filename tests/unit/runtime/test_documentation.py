"""/docs and /openapi.json."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.unit.runtime.bundles import mixed_bundle
from tests.unit.runtime.inprocess import InProcess
from tests.unit.runtime.keyfile import key_of, stored, write_keys

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


def test_openapi_says_how_keys_are_given_where_keys_are_on(tmp_path: Path) -> None:
    app = InProcess(mixed_bundle, keys=write_keys(tmp_path / "keys.json", stored("aaaaaaaa")))
    document = app.ask("/openapi.json", headers={"X-API-Key": key_of("aaaaaaaa")}, method="GET").json()
    assert document["components"]["securitySchemes"]["header"] == {
        "type": "apiKey", "in": "header", "name": "X-API-Key",
    }  # fmt: skip
    predict, health = document["paths"]["/predict"]["post"], document["paths"]["/health"]["get"]
    assert predict["security"] == [{"bearer": []}, {"header": []}]
    assert {"401", "403", "429"} <= predict["responses"].keys()
    assert "security" not in health
    assert health["responses"].keys() == {"200"}


def test_openapi_shows_the_formats_of_batches(mixed: Server) -> None:
    operation = mixed.client.get("/openapi.json").json()["paths"]["/predict"]["post"]
    formats = {"application/json", "text/csv", "application/vnd.apache.arrow.stream"}
    assert operation["requestBody"]["content"].keys() == operation["responses"]["200"]["content"].keys() == formats
    assert "security" not in operation


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/health", "/nowhere"])
def test_every_answer_has_a_request_id(mixed: Server, path: str) -> None:
    assert mixed.client.get(path, headers={"X-Request-ID": "one"}).headers["x-request-id"] == "one"
    assert mixed.client.get(path).headers["x-request-id"]
    assert mixed.client.head(path).content == b""
