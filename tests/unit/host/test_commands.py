"""Docker and Caddy commands, compared as argv and text."""

from __future__ import annotations

import itertools

from mldeploy.config import Limits
from mldeploy.host.commands import caddy, docker
from mldeploy.host.executor import Secret, reveal


def option_values(argv: list[str], option: str) -> list[str]:
    return [value for flag, value in itertools.pairwise(argv) if flag == option]


def test_a_release_container_has_no_rights_and_no_published_port() -> None:
    argv = docker.create("penguins", "r2", "10.0.0.17", "reg/penguins@sha256:1", Limits())
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
    argv = docker.create("penguins", "r2", "10.0.0.17", "img", Limits(memory="300m", cpus=0.5, pids=64))
    assert option_values(argv, "--memory") == option_values(argv, "--memory-swap") == ["300m"]
    assert option_values(argv, "--cpus") == ["0.5"]
    assert option_values(argv, "--pids-limit") == ["64"]


def test_rotation_is_a_read_only_folder_of_the_host() -> None:
    argv = docker.create("penguins", "r2", "10.0.0.17", "img", Limits())
    assert "/var/lib/mldeploy/penguins/rotation:/rotation:ro" in option_values(argv, "--volume")
    assert "MLDEPLOY_RELEASE=r2" in option_values(argv, "--env")


def test_a_site_serves_the_first_slot_in_rotation_and_hides_the_check() -> None:
    site = caddy.site(":80", ("10.0.0.16", "10.0.0.17"))
    assert site.startswith(":80 {")
    assert "reverse_proxy 10.0.0.16:8080 10.0.0.17:8080" in site
    assert "lb_policy first" in site
    assert "health_uri /rotation" in site
    assert "respond @internal 404" in site


def test_only_caddy_publishes_ports_and_its_admin_interface_is_no_port() -> None:
    assert option_values(caddy.run("10.0.0.2"), "--publish") == ["80:80", "443:443", "443:443/udp"]
    assert "admin unix/" in caddy.caddyfile()


def test_a_secret_shows_masked_and_is_revealed_only_on_purpose() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert reveal(secret) == "hunter2"
    assert reveal("plain") == "plain"
