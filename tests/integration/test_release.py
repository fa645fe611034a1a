"""Ship and rollback on a real VM: nothing is lost on a good day, and nothing is left over on a bad one."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mldeploy.bundle import read_bundle
from mldeploy.host.commands import caddy, files
from mldeploy.host.layout import APPLIED, CADDYFILE, AppFolder
from mldeploy.host.site import read_site
from tests.integration.command import mldeploy, start
from tests.integration.site import APP, FIRST, HTTP_ONLY, SECOND, Site, await_free_lock, await_text, on_host

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rig import Rig


@pytest.fixture(scope="module")
def bare(rig: Rig, bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A bare VM, and a folder to ship from."""
    rig.vm.reset()
    folder = tmp_path_factory.mktemp("site")
    (folder / "mldeploy.toml").write_text(rig.config.read_text() + HTTP_ONLY)
    return Site(folder, rig, bundles)


@pytest.fixture(scope="module")
def site(bare: Site) -> Site:
    """The first version, shipped to the bare VM: Docker and Caddy are installed on the way."""
    outcome = bare.ship(FIRST)
    assert (outcome["release"], outcome["previous"]) == ("r1", None)
    return replace(bare, key=outcome["key"])


@pytest.fixture
def first_serves(site: Site) -> Site:
    """The first version serves, whatever the test before left serving."""
    if site.serving()[1] != FIRST:
        site.ship(FIRST)
    return site


def test_the_first_release_has_nothing_to_roll_back_to(site: Site) -> None:
    before = site.releases()
    ended = mldeploy(site.folder, "rollback")
    assert ended.exit_code == 2
    assert "nothing to roll back to" in ended.stderr
    assert "r1 is the first that served" in ended.stderr
    assert site.releases() == before


def test_a_shipped_release_answers_as_the_original_model_did(first_serves: Site) -> None:
    golden = read_bundle(first_serves.bundles[FIRST]).golden
    answer = first_serves.post(golden.instances).raise_for_status().json()
    assert [p["label"] for p in answer["predictions"]] == [p["label"] for p in golden.predictions]
    for got, expected in zip(answer["predictions"], golden.predictions, strict=True):
        assert got["probability"] == pytest.approx(expected["probability"], rel=1e-5, abs=1e-5)


def test_no_request_is_lost_during_a_ship_and_a_rollback(first_serves: Site) -> None:
    site = first_serves
    before = site.serving()
    with site.traffic() as traffic:
        shipped = site.ship(SECOND)
        assert shipped["previous"] == before[0]
        traffic.await_answers(50, version=SECOND)
        rolled_back = site.rollback()
        assert rolled_back["release"] == before[0]
        traffic.await_answers(50, version=FIRST)
    assert traffic.tally.lost == []
    assert set(traffic.tally.versions) == {FIRST, SECOND}
    assert site.serving() == before
    assert site.running() == {f"{APP}-{before[0]}"}
    assert site.in_rotation() == {before[0]}


def test_the_same_traffic_counts_the_requests_that_a_plain_reload_of_caddy_breaks(first_serves: Site) -> None:
    """Were the switch made by a reload, the test above would fail: this is how it would be made."""
    site = first_serves
    release, _ = site.serving()
    with on_host(site) as ssh, site.traffic() as traffic:
        mine = read_site(ssh, AppFolder(APP))
        for upstreams in (mine.slots[::-1], mine.slots) * 3:
            text = caddy.caddyfile({APP: mine.model_copy(update={"slots": upstreams})})
            ssh.run(files.write(CADDYFILE), stdin=text)
            ssh.run(caddy.reload())
            traffic.await_answers(30)
    assert traffic.tally.lost != []
    assert site.serving()[0] == release


def test_after_a_power_cycle_under_load_the_release_that_served_serves_again_and_no_other(first_serves: Site) -> None:
    site = first_serves
    site.ship(SECOND)
    serving = site.serving()
    with site.traffic() as traffic:
        traffic.await_answers(50, version=SECOND)
        site.rig.vm.power_cycle()
        traffic.await_answers(50, version=SECOND, deadline=120)
    assert set(traffic.tally.versions) == {SECOND}
    assert site.serving() == serving
    assert site.running() == {f"{APP}-{serving[0]}"}


def test_interrupting_a_ship_leaves_everything_as_it_was(first_serves: Site) -> None:
    site = first_serves
    before = site.serving()
    with site.traffic() as traffic:
        process = start(site.folder, "ship", str(site.bundles[SECOND]), "--watch", "60")
        traffic.await_answers(10, version=SECOND, deadline=60)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        traffic.await_answers(10, version=FIRST)
    assert process.returncode == 130, said
    assert traffic.tally.lost == []
    assert site.serving() == before
    assert site.running() == {f"{APP}-{before[0]}"}
    assert list(site.releases().values()).count("serving") == 1
    assert next(iter(site.releases().values())) == "failed"


def test_an_interrupt_as_the_watch_ends_is_in_time_or_too_late_and_never_leaves_half(first_serves: Site) -> None:
    site = first_serves
    before = site.serving()[0]
    with site.traffic() as traffic:
        process = start(site.folder, "ship", str(site.bundles[SECOND]), "--watch", "1")
        await_text(process, "watch r")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        traffic.await_answers(10)
    assert traffic.tally.lost == []
    release, version = site.serving()
    assert (process.returncode, version) in {(0, SECOND), (130, FIRST)}, said
    assert (release == before) == (version == FIRST)
    assert site.running() == {f"{APP}-{release}"}
    assert site.in_rotation() == {release}


@pytest.mark.parametrize("watching", [False, True], ids=["before the switch", "in the watch"])
def test_after_the_laptop_dies_the_next_command_brings_the_release_to_an_end(
    first_serves: Site, watching: bool
) -> None:
    site = first_serves
    before = site.serving()
    with site.traffic() as traffic:
        process = start(site.folder, "ship", str(site.bundles[SECOND]), "--watch", "60")
        if watching:
            traffic.await_answers(10, version=SECOND, deadline=60)
        else:
            await_text(process, "start penguins-")
        process.kill()
        process.wait()
        traffic.await_answers(50)
        await_free_lock(site)
        shipped = site.ship(SECOND)
    assert traffic.tally.lost == []
    interrupted = shipped["previous"] if watching else before[0]
    assert site.serving()[1] == SECOND
    assert site.releases()[interrupted] == "served before"
    assert site.in_rotation() == {shipped["release"]}
    assert site.running() == {f"{APP}-{shipped['release']}"}


def test_a_rollback_that_was_cut_off_is_finished_by_the_next_one_which_goes_no_further(first_serves: Site) -> None:
    site = first_serves
    before = site.serving()
    site.ship(SECOND)
    with site.traffic() as traffic:
        process = start(site.folder, "rollback", "--watch", "60")
        await_text(process, "ledger: switched")
        process.kill()
        process.communicate()
        await_free_lock(site)
        again = site.rollback()
        traffic.await_answers(20)
    assert traffic.tally.lost == []
    assert again["release"] == before[0]
    assert "is finished now" in again["warnings"][0]
    assert site.serving() == before
    assert site.running() == {f"{APP}-{before[0]}"}


def test_a_kept_container_that_somebody_removed_is_created_anew(first_serves: Site) -> None:
    site = first_serves
    before = site.serving()
    site.ship(SECOND)
    site.rig.vm.exec("docker", "rm", f"{APP}-{before[0]}")
    assert site.rollback()["release"] == before[0]
    assert site.serving() == before


def test_a_release_whose_settings_are_gone_is_not_rolled_back_to_and_nothing_changes(first_serves: Site) -> None:
    site = first_serves
    kept = AppFolder(APP).settings(site.serving()[0])
    site.ship(SECOND)
    before, states = site.serving(), site.releases()
    site.rig.vm.exec("mv", kept, f"{kept}.gone")
    try:
        ended = mldeploy(site.folder, "rollback")
    finally:
        site.rig.vm.exec("mv", f"{kept}.gone", kept)
    assert ended.exit_code == 1
    assert "missing or damaged" in ended.stderr
    assert (site.serving(), site.releases()) == (before, states)


def test_a_docker_that_is_down_is_said_and_what_runs_goes_on_serving(first_serves: Site) -> None:
    site = first_serves
    before = site.releases()
    with site.traffic() as traffic:
        site.rig.vm.exec("systemctl", "stop", "docker.socket", "docker.service")
        try:
            for command in (["rollback"], ["ship", str(site.bundles[SECOND])]):
                ended = mldeploy(site.folder, *command)
                assert ended.exit_code == 5
                assert "Docker on rig does not answer" in ended.stderr
            traffic.await_answers(50)
        finally:
            site.rig.vm.exec("systemctl", "start", "docker.service")
    assert traffic.tally.lost == []
    assert site.releases() == before


def test_a_first_ship_cut_off_before_caddy_was_told_is_mended_by_the_next(first_serves: Site) -> None:
    """As it is left: the site is written, and Caddy has not read it."""
    site = first_serves
    with on_host(site) as ssh:
        ssh.run(files.write(CADDYFILE), stdin=caddy.caddyfile({}))
        ssh.run(caddy.reload())
        ssh.run(files.remove(APPLIED))
    site.ship(SECOND)
    assert site.serving()[1] == SECOND


def test_a_second_laptop_is_told_that_the_host_is_locked(first_serves: Site) -> None:
    site = first_serves
    process = start(site.folder, "ship", str(site.bundles[SECOND]), "--watch", "60")
    try:
        await_text(process, "ledger: started")
        second = mldeploy(site.folder, "rollback")
        assert second.exit_code == 6
        assert "shipping penguins 1.1.0" in second.stderr
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130


def test_a_release_whose_process_dies_in_the_watch_is_switched_back_from(first_serves: Site) -> None:
    site = first_serves
    before = site.serving()
    release = f"r{max(int(name[1:]) for name in site.releases()) + 1}"
    process = start(site.folder, "ship", str(site.bundles[SECOND]), "--watch", "60")
    await_text(process, "ledger: switched")
    process_id = site.rig.vm.exec("docker", "inspect", "--format", "{{.State.Pid}}", f"{APP}-{release}")
    site.rig.vm.exec("kill", "-KILL", process_id)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"{release} failed just after the switch" in said
    assert site.serving() == before
    assert site.releases()[release] == "failed"
    assert site.running() == {f"{APP}-{before[0]}"}


def test_the_list_of_targets_names_the_default_and_says_why_others_cannot_be_chosen(first_serves: Site) -> None:
    site = first_serves
    (served, _), states = site.serving(), site.releases()
    targets = {target["release"]: target for target in mldeploy(site.folder, "rollback", "--list", "--json").outcome}
    assert targets.keys() == states.keys()
    assert "is what serves now" in targets[served]["refusal"]
    failed = [release for release, state in states.items() if state in ("failed", "interrupted")]
    assert all("never served" in targets[release]["refusal"] for release in failed)
    (default,) = [release for release, target in targets.items() if target["default"]]
    assert not targets[default]["refusal"]
    assert site.rollback()["release"] == default
    assert site.serving()[0] == default


def test_a_release_that_answers_far_more_slowly_is_switched_back_from_with_the_reason_in_the_ledger(
    first_serves: Site,
) -> None:
    site = first_serves
    before = site.serving()
    release = f"r{max(int(name[1:]) for name in site.releases()) + 1}"
    with site.traffic(rate=60):
        process = start(site.folder, "ship", str(site.bundles[SECOND]), "--watch", "120")
        await_text(process, "ledger: switched")
        # A twentieth of a processor, which is less than these requests take.
        site.rig.vm.exec("docker", "update", "--cpus", "0.05", f"{APP}-{release}")
        _, said = process.communicate(timeout=180)
    assert process.returncode == 1, said
    assert f"{release} is worse than {before[0]}" in said
    assert site.serving() == before
    assert site.releases()[release] == "failed"
    reason = json.loads(site.rig.vm.exec("tail", "-n", "1", AppFolder(APP).ledger))["reason"]
    assert "it answers more slowly than the release before" in reason


def test_status_says_what_serves_and_sees_the_machine_as_small_as_it_is(first_serves: Site) -> None:
    site = first_serves
    release, _ = site.serving()
    found = mldeploy(site.folder, "status", "--json").outcome
    (app,) = found["apps"]
    assert (app["app"], app["serving"], app["version"], app["interrupted"]) == (APP, release, FIRST, None)
    held = [slot for slot in app["slots"] if slot["release"]]
    assert [(slot["release"], slot["in_rotation"], slot["ready"]) for slot in held] == [(release, True, True)]
    assert found["memory_free"] < 1024**3


def test_logs_are_those_of_the_release_that_serves(first_serves: Site) -> None:
    site = first_serves
    site.post(site.rows[:1], **{"X-Request-ID": "find-me"})
    ended = mldeploy(site.folder, "logs", "--tail", "20")
    assert ended.exit_code == 0
    assert "find-me" in {json.loads(line)["request_id"] for line in ended.stdout.splitlines() if "request_id" in line}
    unknown = mldeploy(site.folder, "logs", "r999")
    assert unknown.exit_code == 2
    assert "there is no release 'r999'" in unknown.stderr
    never = mldeploy(site.folder, "logs", "--since", "nonsense")
    assert never.exit_code == 2
    assert "cannot be had" in never.stderr
    failed = next(release for release, state in site.releases().items() if state == "failed")
    gone = mldeploy(site.folder, "logs", failed)
    assert gone.exit_code == 2
    assert "No such container" in gone.stderr


def test_a_prepared_host_is_not_prepared_again(first_serves: Site) -> None:
    steps = [step["says"] for step in first_serves.ship(SECOND)["steps"]]
    assert not any("Docker" in step or "start Caddy" in step for step in steps)


def test_the_dry_run_prints_the_steps_that_the_ship_then_takes(first_serves: Site) -> None:
    site = first_serves
    bundle = str(site.bundles[SECOND])
    printed = mldeploy(site.folder, "ship", bundle, "--dry-run", "--watch", "1")
    assert printed.exit_code == 0
    planned = [line.split(". ", 1)[1] for line in printed.stdout.splitlines()]
    taken = [step["says"] for step in site.ship(SECOND)["steps"]]
    assert planned == taken
