"""What the served OpenAPI says is what the server does: no answer that it does not name, and none that is a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.unit.runtime.bundles import mixed_bundle
from tests.unit.runtime.keyfile import key_of, stored, write_keys
from tests.unit.runtime.server import Server, started

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = {"Authorization": f"Bearer {key_of('aaaaaaaa')}"}
# No schema can say that columns are as long as each other, or what a CSV holds.
BEYOND_A_SCHEMA: list[Any] = [negative_data_rejection, positive_data_acceptance]

schemathesis.serializer.alias(["text/csv", "application/vnd.apache.arrow.stream"], "application/octet-stream")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for keys."""
    folder = tmp_path_factory.mktemp("guarded")
    keys = write_keys(folder / "keys.json", stored("aaaaaaaa", scopes=["predict", "metrics"]))
    with started(mixed_bundle(folder), folder, MLDEPLOY_KEYS=str(keys)) as server:
        yield server


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_server_does_what_its_openapi_says(guarded: Server, mode: GenerationMode) -> None:
    url = f"http://127.0.0.1:{guarded.port}/openapi.json"
    found: Any = schemathesis.openapi.from_url(url, headers=KEY).get_all_operations()
    operations = [each.ok() for each in found]
    assert len(operations) == 15
    # What takes nothing can be asked in one way only, and that is right.
    for operation in (each for each in operations if each.body or mode is GenerationMode.POSITIVE):

        @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            case.call_and_validate(headers=KEY, excluded_checks=BEYOND_A_SCHEMA)

        ask()
