"""How often one may ask, and whose address counts."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.runtime.bundles import mixed_bundle
from tests.unit.runtime.inprocess import Answer, InProcess
from tests.unit.runtime.keyfile import key_of, stored, write_keys

if TYPE_CHECKING:
    from pathlib import Path

BODY = json.dumps({"instances": [{"age": 42.0, "plan": "pro", "member": True}]}).encode()
PROXY = "172.30.0.2"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def statuses(app: InProcess, count: int, **asked: Any) -> list[int]:
    return [app.ask("/predict", BODY, **asked).status for _ in range(count)]


def test_an_address_may_ask_so_often_and_then_waits(clock: Clock) -> None:
    app = InProcess(mixed_bundle, rate_per_address=4.0)
    assert statuses(app, 5) == [200] * 4 + [429]
    assert statuses(app, 1, address="203.0.113.10") == [200]
    clock.now += 0.25
    assert statuses(app, 2) == [200, 429]


def test_every_answer_says_how_much_is_left() -> None:
    app = InProcess(mixed_bundle, rate_per_address=0.3)
    first, second = app.ask("/predict", b"{}"), app.ask("/predict", BODY)
    assert (first.status, first.header("ratelimit-policy")) == (422, '"address";q=1;w=4')
    assert first.header("ratelimit") == '"address";r=0;t=4'
    assert (second.status, second.json()["type"], second.header("retry-after")) == (429, "/docs#rate-limited", "4")
    assert second.header("ratelimit") == '"address";r=0;t=4'


def test_a_key_has_its_own_rate_or_the_servers(tmp_path: Path) -> None:
    file = write_keys(tmp_path / "keys.json", stored("aaaaaaaa", rate=3), stored("bbbbbbbb"))
    app = InProcess(mixed_bundle, keys=file, rate_per_key=2.0)
    own, servers = ({"X-API-Key": key_of(identity)} for identity in ("aaaaaaaa", "bbbbbbbb"))
    assert statuses(app, 4, headers=own) == [200] * 3 + [429]
    assert statuses(app, 3, headers=servers) == [200] * 2 + [429]
    assert app.ask("/v2/models/mixed/infer", b"", servers).json()["error"].startswith("More than 2 requests")


def test_key_and_address_are_limited_apart(tmp_path: Path) -> None:
    file = write_keys(tmp_path / "keys.json", stored("aaaaaaaa", rate=5))
    app = InProcess(mixed_bundle, keys=file, rate_per_address=2.0)
    answer = app.ask("/predict", BODY, {"X-API-Key": key_of("aaaaaaaa")})
    assert answer.header("ratelimit-policy") == '"address";q=2;w=1, "key";q=5;w=1'
    assert answer.header("ratelimit") == '"address";r=1;t=1, "key";r=4;t=1'


def test_who_guesses_keys_is_limited_by_address(tmp_path: Path) -> None:
    app = InProcess(mixed_bundle, keys=write_keys(tmp_path / "keys.json"), rate_per_address=2.0)
    assert statuses(app, 3, headers={"X-API-Key": "guess"}) == [401, 401, 429]


def test_the_hosts_own_calls_are_not_limited(tmp_path: Path) -> None:
    app = InProcess(mixed_bundle, keys=write_keys(tmp_path / "keys.json"), rate_per_address=1.0, rate_per_key=1.0)
    key = app.service.container.signer.issue("loadtest", "predict", time.time() + 60)
    assert statuses(app, 5, headers={"X-API-Key": key}) == [200] * 5
    assert {app.ask("/rotation", method="GET").status for _ in range(5)} == {200}


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("198.51.100.1", "198.51.100.2", False),
        ("198.51.100.1", "9.9.9.9, 198.51.100.1", True),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:198.51.100.1", "198.51.100.1", True),
    ],
)
def test_behind_the_proxy_the_address_is_what_it_says(first: str, second: str, together: bool) -> None:
    app = InProcess(mixed_bundle, rate_per_address=1.0, proxy=PROXY)

    def ask(forwarded: str) -> Answer:
        return app.ask("/predict", BODY, {"X-Forwarded-For": forwarded}, address=PROXY)

    assert (ask(first).status, ask(second).status) == (200, 429 if together else 200)


def test_nobody_but_the_proxy_is_believed() -> None:
    app = InProcess(mixed_bundle, rate_per_address=1.0, proxy=PROXY)
    claimed = [{"X-Forwarded-For": f"198.51.100.{number}"} for number in range(2)]
    assert [app.ask("/predict", BODY, headers).status for headers in claimed] == [200, 429]


def test_without_limits_nothing_is_said_of_them() -> None:
    answer = InProcess(mixed_bundle).ask("/predict", BODY)
    assert (answer.status, answer.header("ratelimit")) == (200, None)
