"""A load test of a release on a real VM: let in by the host itself, kept in the ledger, asked for before production."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.command import mldeploy
from tests.integration.site import FIRST, HTTP_ONLY, SECOND, Site
from tests.integration.stalling_server import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rig import Rig

LOAD = ("loadtest", "--qps", "40", "--duration", "3s", "--warmup", "500ms")


@pytest.fixture(scope="module")
def site(rig: Rig, bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Site:
    rig.vm.reset()
    folder = tmp_path_factory.mktemp("loadtest")
    build = f'build_dir = "{bundles[FIRST].parent}"\n'
    (folder / "mldeploy.toml").write_text(build + rig.config.read_text() + HTTP_ONLY + "[slo]\np99_ms = 5000\n")
    return Site(folder, rig, bundles)


def loadtest(site: Site, *options: str) -> Any:
    return mldeploy(site.folder, *LOAD, "--json", *options).outcome


def recorded(site: Site) -> dict[str, Any]:
    """What `releases` shows of the load test of each version."""
    return {row["version"]: row["loadtest"] for row in mldeploy(site.folder, "releases", "--json").outcome}


def test_the_result_is_kept_with_the_release_that_answered_and_compared_with_the_one_before(site: Site) -> None:
    site.ship(FIRST)
    first = loadtest(site)
    assert first["verdict"] == "met"
    assert first["requests"] == 120
    assert first["comparison"] is None
    # Ramp and warm-up are counted by the server as well; each request held one row.
    assert first["server"]["rows"] == 140
    assert first["server"]["statuses"] == {"200": 140}
    site.ship(SECOND)
    second = loadtest(site)
    assert second["comparison"]["previous"] == "r1"
    change = second["comparison"]["change"]
    assert change["low"] <= change["ratio"] <= change["high"]
    shown = recorded(site)
    assert shown[FIRST]["p99_s"] == pytest.approx(first["p99_s"], abs=1e-6)
    assert shown[SECOND]["p99_s"] == pytest.approx(second["p99_s"], abs=1e-6)


def test_what_answers_elsewhere_gets_no_key_of_the_host_and_no_place_in_its_ledger(site: Site) -> None:
    before = recorded(site)
    heads: list[bytes] = []
    with serving(heads=heads) as url:
        ended = mldeploy(site.folder, *LOAD, "--host", "rig", "--url", url, "--bundle", str(site.bundles[FIRST]))
    assert ended.exit_code == 0, ended.stderr
    assert "is not on rig" in ended.stderr
    assert len(heads) >= 140
    assert not any(b"authorization" in head.lower() for head in heads)
    assert recorded(site) == before


def test_only_what_has_passed_on_the_staging_host_is_shipped_where_that_is_required(site: Site) -> None:
    unset = mldeploy(site.folder, "ship", str(site.bundles[SECOND]), "--require-loadtest")
    assert unset.exit_code == 2
    assert "staging" in unset.stderr
    config = site.folder / "mldeploy.toml"
    config.write_text(f'{config.read_text()}\n[loadtest]\nstaging = "rig"\n')
    site.ship(SECOND, "--require-loadtest")
    # Missed by its errors, whatever else the machine does: no request can be answered within so short a time.
    lenient = ("--p99", "10s", "--max-error-rate", "1")
    assert mldeploy(site.folder, *LOAD, "--timeout", "1ms").exit_code == 4
    assert mldeploy(site.folder, *LOAD, "--timeout", "1ms", *lenient).exit_code == 0
    before = site.releases()
    refused = mldeploy(site.folder, "ship", str(site.bundles[SECOND]), "--require-loadtest")
    assert refused.exit_code == 1
    assert "has not passed a load test on rig" in refused.stderr
    assert "failed of 0.00% allowed" in refused.stderr
    assert site.releases() == before
