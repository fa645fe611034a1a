"""Where an app answers: a ship may change it, and one that fails or is cut off leaves it as it was."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from mldeploy.host.edge import put_site
from mldeploy.host.layout import AppFolder
from mldeploy.host.site import read_site
from mldeploy.release.ledger import Event, read_ledger, write_event
from tests.integration.command import mldeploy, start
from tests.integration.site import APP, FIRST, HTTP_ONLY, SECOND, Site, await_text, on_host

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rig import Rig

MOVED = "/moved"
NOT_THERE = 401
"""What the app at the root of the host answers, without a key, for a path of which it knows nothing."""


@pytest.fixture(scope="module")
def site(rig: Rig, bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A VM with two releases, of which the first serves, at the root of the host."""
    rig.vm.reset()
    folder = tmp_path_factory.mktemp("site")
    (folder / "mldeploy.toml").write_text(rig.config.read_text() + HTTP_ONLY)
    site = Site(folder, rig, bundles)
    key = site.ship(FIRST)["key"]
    site.ship(SECOND)
    site.rollback()
    return replace(site, key=key)


def site_files(site: Site) -> dict[str, str]:
    """What the host keeps of where the app answers, by file."""
    names = site.rig.vm.exec("find", AppFolder(APP).path, "-name", "site.json*").split()
    return {name: site.rig.vm.exec("cat", name) for name in names}


@pytest.fixture
def moved(site: Site, tmp_path: Path) -> Site:
    """A folder whose settings have the app answer under another path."""
    config = f'[app]\npath = "{MOVED}"\n{HTTP_ONLY}'
    (tmp_path / "mldeploy.toml").write_text(site.rig.config.read_text() + config)
    return replace(site, folder=tmp_path)


def test_a_ship_that_moves_the_app_and_is_undone_leaves_it_where_it_answered(site: Site, moved: Site) -> None:
    before, files_before = site.serving(), site_files(site)
    process = start(moved.folder, "ship", str(moved.bundles[SECOND]), "--watch", "60")
    await_text(process, "ledger: switched")
    assert httpx.get(f"{moved.url}{MOVED}/health", timeout=10).json()["version"] == SECOND
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert site.serving() == before
    assert httpx.get(f"{moved.url}{MOVED}/health", timeout=10).status_code == NOT_THERE
    assert site_files(site) == files_before


def test_a_ship_that_moves_the_app_and_is_cut_off_is_undone_by_the_next_command(site: Site, moved: Site) -> None:
    """As it is left: the ledger says that it was begun, and Caddy has its site."""
    folder = AppFolder(APP)
    before, files_before = site.serving(), site_files(site)
    with on_host(site) as ssh:
        history = read_ledger(ssh, folder)
        begun = Event(
            event="started",
            operation=history.next_operation,
            action="ship",
            release=history.next_release,
            previous=before[0],
            by="ada@laptop",
            record=history.releases[before[0]],
        )
        write_event(ssh, folder, begun)
        put_site(ssh, folder, read_site(ssh, folder).model_copy(update={"path": MOVED}))
    assert httpx.get(f"{moved.url}{MOVED}/health", timeout=10).json()["release"] == before[0]
    again = site.rollback()
    assert "is undone now" in again["warnings"][0]
    assert site.serving() == before
    assert site_files(site) == files_before


def test_an_app_whose_first_ship_fails_is_none_and_holds_no_address(site: Site, tmp_path: Path) -> None:
    config = f'[app]\nname = "fish"\npath = "/fish"\n{HTTP_ONLY}'
    (tmp_path / "mldeploy.toml").write_text(site.rig.config.read_text() + config)
    process = start(tmp_path, "ship", str(site.bundles[SECOND]), "--watch", "60")
    await_text(process, "ledger: switched")
    assert httpx.get(f"{site.url}/fish/health", timeout=10).json()["version"] == SECOND
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert [app["app"] for app in mldeploy(site.folder, "status", "--json").outcome["apps"]] == [APP]
    assert site.releases()
    assert site.rig.vm.exec("find", AppFolder("fish").path, "-name", "*.json*") == AppFolder("fish").ledger
    assert httpx.get(f"{site.url}/fish/health", timeout=10).status_code == NOT_THERE
    assert mldeploy(tmp_path, "destroy", "fish", "--with-ledger", "--yes").exit_code == 0
