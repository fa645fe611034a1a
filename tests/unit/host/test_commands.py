"""Docker and Caddy commands, compared as argv and text."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

from mldeploy.config import Limits
from mldeploy.host.commands import caddy, docker
from mldeploy.host.executor import Result, Secret, reveal
from tests.unit.local_executor import LocalExecutor

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def option_values(argv: list[str], option: str) -> list[str]:
    return [value for flag, value in itertools.pairwise(argv) if flag == option]


def created(image: str = "img", limits: Limits | None = None) -> list[str]:
    environment = {"MLDEPLOY_RELEASE": "r2"}
    volumes = {"/var/lib/mldeploy/penguins/rotation": "/rotation:ro"}
    return docker.create("penguins", "r2", "10.0.0.17", image, limits or Limits(), environment, volumes)


def test_a_release_container_has_no_rights_and_no_published_port() -> None:
    argv = created("reg/penguins@sha256:1")
    assert argv[:2] == ["docker", "create"]
    assert argv[-1] == "reg/penguins@sha256:1"
    assert option_values(argv, "--user") == ["10001:10001"]
    assert option_values(argv, "--cap-drop") == ["ALL"]
    assert option_values(argv, "--security-opt") == ["no-new-privileges"]
    assert option_values(argv, "--ip") == ["10.0.0.17"]
    assert option_values(argv, "--restart") == ["unless-stopped"]
    assert "--read-only" in argv
    assert not {"--publish", "-p", "--privileged"} & set(argv)


def test_a_release_container_gets_the_limits_of_its_settings() -> None:
    argv = created(limits=Limits(memory="300m", cpus=0.5, pids=64))
    assert option_values(argv, "--memory") == option_values(argv, "--memory-swap") == ["300m"]
    assert option_values(argv, "--cpus") == ["0.5"]
    assert option_values(argv, "--pids-limit") == ["64"]


def test_a_release_container_gets_its_environment_and_folders() -> None:
    argv = created()
    assert option_values(argv, "--volume") == ["/var/lib/mldeploy/penguins/rotation:/rotation:ro"]
    assert option_values(argv, "--env") == ["MLDEPLOY_RELEASE=r2"]


def test_caddy_shares_the_machine_s_network_and_its_admin_interface_is_no_port() -> None:
    argv = caddy.run("mldeploy-caddy", "caddy:2")
    assert option_values(argv, "--network") == ["host"]
    assert not {"--publish", "-p", "--privileged"} & set(argv)
    assert "admin unix/" in caddy.caddyfile({})


def test_a_secret_shows_masked_and_is_revealed_only_on_purpose() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert reveal(secret) == "hunter2"
    assert reveal("plain") == "plain"


DOCKER = """#!/bin/sh
echo "$@" >> "$0.calls"
if [ "$(wc -l < "$0.calls")" -le {failures} ]; then
  echo "OCI runtime exec failed: exec failed: read init-p: connection reset by peer: unknown"
  exit 126
fi
echo '{{"reason": "not ready"}}'
exit 1
"""


def asked(folder: Path, monkeypatch: pytest.MonkeyPatch, failures: int) -> tuple[Result, list[str]]:
    """What a question to a runtime came to, and Docker's calls, where Docker cannot start the first of them."""
    docker_here = folder / "docker"
    docker_here.write_text(DOCKER.format(failures=failures))
    docker_here.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    result = LocalExecutor().run(docker.control("penguins-r2", "wait-ready", "--timeout", "9"), check=False)
    return result, (folder / "docker.calls").read_text().splitlines()


def test_a_question_that_docker_could_not_start_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, calls = asked(tmp_path, monkeypatch, failures=2)
    assert (result.stdout, result.exit_code) == ('{"reason": "not ready"}', 1)
    assert calls == ["exec penguins-r2 python3 -m mldeploy_runtime.control wait-ready --timeout 9"] * 3


def test_an_answer_is_taken_at_once_whatever_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, calls = asked(tmp_path, monkeypatch, failures=0)
    assert result.exit_code == 1
    assert len(calls) == 1


def test_a_question_that_docker_can_never_start_ends_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, calls = asked(tmp_path, monkeypatch, failures=99)
    assert "connection reset by peer" in result.stdout
    assert result.exit_code == 126
    assert len(calls) == 4
