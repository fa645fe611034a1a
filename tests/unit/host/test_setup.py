"""What a host still needs follows from its facts."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import pytest

from mldeploy.errors import MldeployError, UsageError
from mldeploy.host import setup
from mldeploy.host.facts import parse
from mldeploy.host.setup import network_of, setup_steps
from tests.unit.host.test_facts import PRINTED
from tests.unit.local_executor import LocalExecutor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mldeploy.host.executor import Result, Secret, Text
    from mldeploy.plan import Step

WHOLE = replace(parse(PRINTED), disk_free=10**10)
BARE = replace(WHOLE, docker="", network="", caddy="")


def says(steps: Sequence[Step]) -> str:
    return "\n".join(step.says for step in steps)


def test_a_bare_host_needs_everything() -> None:
    text = says(setup_steps(LocalExecutor(), BARE))
    for part in ("install Docker", "configure Docker", "create the network", "start Caddy"):
        assert part in text


def test_a_prepared_host_needs_nothing() -> None:
    prepared = replace(WHOLE, prepared=setup._digest())
    assert setup_steps(LocalExecutor(), prepared) == []


def test_a_host_prepared_by_another_version_is_prepared_again_but_docker_is_kept() -> None:
    text = says(setup_steps(LocalExecutor(), replace(WHOLE, prepared="0" * 16)))
    assert "start Caddy" in text
    assert "install Docker" not in text


def test_the_network_avoids_the_machine_s_routes() -> None:
    assert network_of(replace(BARE, routes=())) == IPv4Network("10.209.80.0/24")
    taken = replace(BARE, routes=(IPv4Network("0.0.0.0/0"), IPv4Network("10.208.0.0/12")))
    assert network_of(taken) == IPv4Network("10.137.80.0/24")
    with pytest.raises(MldeployError, match="no free address range"):
        network_of(replace(BARE, routes=(IPv4Network("10.0.0.0/8"),)))


def test_a_machine_without_apt_or_room_is_refused_before_anything_is_done() -> None:
    with pytest.raises(UsageError, match="cannot be prepared"):
        setup_steps(LocalExecutor(), replace(BARE, has_apt=False))
    with pytest.raises(MldeployError, match="no room"):
        setup_steps(LocalExecutor(), replace(BARE, disk_free=10**9))


class WithoutRestart(LocalExecutor):
    """Runs file commands for real and leaves the machine's services alone."""

    def __init__(self) -> None:
        self.restarted: list[str] = []

    def run(
        self, argv: Sequence[str | Secret], *, stdin: Text = "", deadline: float = 30, check: bool = True
    ) -> Result:
        if argv[0] == "systemctl":
            self.restarted.append(str(argv[-1]))
            argv = ["true"]
        if argv[0] == "mkdir":
            argv = ["true"]
        return super().run(argv, stdin=stdin, deadline=deadline, check=check)


def test_what_a_person_set_for_docker_stays_and_a_second_run_restarts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "daemon.json"
    config.write_text(json.dumps({"registry-mirrors": ["https://mirror.example"]}))
    monkeypatch.setattr(setup, "DAEMON_CONFIG", str(config))
    executor = WithoutRestart()
    setup._configure_docker(executor)
    after = json.loads(config.read_text())
    assert after["registry-mirrors"] == ["https://mirror.example"]
    assert after["live-restore"] is True
    assert executor.restarted == ["docker"]
    assert setup._configure_docker(executor) == "as it was"
    assert executor.restarted == ["docker"]


def test_a_broken_docker_configuration_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "daemon.json"
    config.write_text("{not json")
    monkeypatch.setattr(setup, "DAEMON_CONFIG", str(config))
    with pytest.raises(MldeployError, match="not valid JSON"):
        setup._configure_docker(WithoutRestart())
    assert config.read_text() == "{not json"
