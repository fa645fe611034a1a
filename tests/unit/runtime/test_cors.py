"""Whose pages may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.runtime.bundles import mixed_bundle
from tests.unit.runtime.inprocess import InProcess
from tests.unit.runtime.keyfile import write_keys

if TYPE_CHECKING:
    from pathlib import Path

SHOP = "https://shop.example"
PREFLIGHT = {"Origin": SHOP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}


def test_by_default_no_page_of_another_origin_may_ask() -> None:
    app = InProcess(mixed_bundle)
    assert app.ask("/health", headers={"Origin": SHOP}, method="GET").header("access-control-allow-origin") is None
    assert app.ask("/predict", headers=PREFLIGHT, method="OPTIONS").status == 405


def test_a_page_of_a_configured_origin_may(tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.json")
    app = InProcess(mixed_bundle, cors_origins=frozenset([SHOP]), keys=keys)
    before = app.ask("/predict", headers=PREFLIGHT, method="OPTIONS")
    assert (before.status, before.header("access-control-allow-origin"), before.header("vary")) == (200, SHOP, "origin")
    assert before.header("access-control-allow-methods") == "POST"
    assert "x-api-key" in (before.header("access-control-allow-headers") or "")
    refused = app.ask("/predict", b"{}", {"Origin": SHOP})
    assert (refused.status, refused.header("access-control-allow-origin")) == (401, SHOP)
    assert "x-request-id" in (refused.header("access-control-expose-headers") or "")


@pytest.mark.parametrize("origin", ["https://other.example", "https://shop.example.evil.example", "null", "\xff"])
def test_a_page_of_another_origin_may_not(origin: str) -> None:
    app = InProcess(mixed_bundle, cors_origins=frozenset([SHOP]))
    answer = app.ask("/predict", headers=PREFLIGHT | {"Origin": origin}, method="OPTIONS")
    assert (answer.header("access-control-allow-origin"), answer.header("vary")) == (None, "origin")


def test_any_origin_may_where_that_is_configured() -> None:
    app = InProcess(mixed_bundle, cors_origins=frozenset(["*"]))
    assert app.ask("/health", headers={"Origin": SHOP}, method="GET").header("access-control-allow-origin") == SHOP
