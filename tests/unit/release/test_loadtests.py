"""What the ledger keeps of load tests, and what it makes of them."""

from __future__ import annotations

from typing import Any

import pytest

from mldeploy.config import SloConfig
from mldeploy.host.layout import AppFolder
from mldeploy.release.ledger import Event, LoadtestRecord, replay
from mldeploy.release.loadtests import UnderTest, previous_like, why_not_passed
from mldeploy.release.releases import rows_of
from tests.unit.release.test_ledger import Writer

BUNDLE = "0" * 64  # of all releases that are written


def measured(p99_s: float = 0.01, rate: float = 200, errors: int = 0, met: bool = True) -> LoadtestRecord:
    return LoadtestRecord(
        asked_rate=rate,
        achieved_rate=rate,
        rows_per_request=1,
        arrivals="constant",
        requests=6000,
        errors=errors,
        p50_s=p99_s / 3,
        p99_s=p99_s,
        p99_replicates_s=(p99_s,),
        target_p99_s=10.0,
        target_error_rate=1.0,
        met=met,
    )


def add_loadtest(writer: Writer, release: str, **figures: Any) -> None:
    event = Event(
        event="tested", operation=99, action="loadtest", release=release, by="ada@laptop", loadtest=measured(**figures)
    )
    writer.lines.append(event.model_dump_json(by_alias=True, exclude_none=True))


def test_a_load_test_changes_nothing_but_what_is_known_of_its_release() -> None:
    writer = Writer()
    writer.ship("r1", None)
    writer.operate("ship", "r2", "r1", "started")
    before = writer.history
    add_loadtest(writer, "r1", p99_s=0.02)
    after = writer.history
    assert after.interrupted == before.interrupted is not None
    assert (after.served, after.next_operation, after.next_release) == (before.served, 3, "r3")
    assert after.state_of("r1") == before.state_of("r1")
    assert after.loadtests["r1"] == (measured(0.02),)


def test_releases_show_the_last_load_test_of_each() -> None:
    writer = Writer()
    writer.ship("r1", None)
    writer.ship("r2", "r1")
    add_loadtest(writer, "r1", p99_s=0.02)
    add_loadtest(writer, "r1", p99_s=0.03)
    newest, oldest = rows_of(writer.history)
    assert newest.loadtest is None
    assert oldest.loadtest is not None
    assert oldest.to_json()["loadtest"]["p99_s"] == 0.03


def test_a_run_is_compared_with_the_last_of_another_release_under_the_same_load() -> None:
    writer = Writer()
    for release, previous in (("r1", None), ("r2", "r1"), ("r3", "r2")):
        writer.ship(release, previous)
    add_loadtest(writer, "r1", p99_s=0.02)
    add_loadtest(writer, "r2", p99_s=0.05, rate=400)
    add_loadtest(writer, "r3", p99_s=0.04)
    now = UnderTest(AppFolder("churn"), "r3", "1.0.0", BUNDLE)
    assert previous_like(replay("\n".join(writer.lines)), now, measured(0.01)) == ("r1", measured(0.02))
    assert previous_like(writer.history, now, measured(rate=800)) is None


SLO = SloConfig(p99_ms=100, max_error_rate=0.01, peak_qps=50)


@pytest.mark.parametrize(
    ("figures", "lacking"),
    [
        ({"p99_s": 0.1, "errors": 60, "rate": 50}, []),
        ({"p99_s": 5.0}, ["the p99 was 5000.0 ms of 100 allowed"]),
        ({"errors": 6000, "rate": 5}, ["100.00% failed of 1.00% allowed", "5 requests a second were sent"]),
        ({"met": False}, ["the stricter target that it was given"]),
    ],
)
def test_a_bundle_has_passed_by_what_the_settings_ask_whatever_the_run_was_held_to(
    figures: dict[str, Any], lacking: list[str]
) -> None:
    writer = Writer()
    writer.ship("r1", None)
    add_loadtest(writer, "r1", **figures)
    why = why_not_passed(BUNDLE, writer.history, SLO)
    assert bool(why) == bool(lacking)
    assert all(said in why for said in lacking)


def test_of_several_releases_of_a_bundle_the_test_that_was_made_last_counts() -> None:
    writer = Writer()
    writer.ship("r1", None)
    writer.ship("r2", "r1")
    assert "r1, r2 was never tested" in why_not_passed(BUNDLE, writer.history, SLO)
    assert "never had it" in why_not_passed("1" * 64, writer.history, SLO)
    add_loadtest(writer, "r1")
    add_loadtest(writer, "r2", p99_s=3.0)
    assert "3000.0 ms" in why_not_passed(BUNDLE, writer.history, SLO)
    add_loadtest(writer, "r1")
    assert why_not_passed(BUNDLE, writer.history, SLO) == ""
