"""The way in: keys, several apps behind one Caddy, TLS, and Caddy itself replaced, all under traffic."""

from __future__ import annotations

import gzip
import json
import ssl
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mldeploy.bundle import read_bundle
from mldeploy.config import load_config
from mldeploy.host.edge import put_site, start_caddy
from mldeploy.host.layout import LOCK, ROOT, AppFolder
from mldeploy.host.site import Site as AppSite
from mldeploy.host.ssh import connect
from tests.integration.command import EXECUTABLE, mldeploy, start
from tests.integration.site import FIRST, SECOND, await_text
from tests.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.rig import Rig

SECRET = "tops3cret-canary-value"  # noqa: S105  planted, to be looked for
REVOKED_WITHIN_SECONDS = 5
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Edge:
    """A host with one app, `penguins`, at its bare address; `root` is the host's own authority."""

    rig: Rig
    folder: Path
    bundles: dict[str, Path]
    key: str
    root: str

    @property
    def url(self) -> str:
        return self.rig.vm.secure_url

    @property
    def rows(self) -> list[dict[str, Any]]:
        return read_bundle(self.bundles[FIRST]).golden.instances

    def traffic(self) -> Traffic:
        return Traffic(self.url, self.rows, self.key, self.root)

    def ask(self, path: str = "/predict", key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        trust = ssl.create_default_context(cadata=self.root)
        body = {"instances": self.rows[:1]}
        return httpx.post(f"{self.url}{path}", json=body, headers=headers, verify=trust, timeout=10)


@pytest.fixture(scope="module")
def edge(rig: Rig, bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Edge:
    rig.vm.reset()
    folder = tmp_path_factory.mktemp("edge")
    (folder / "mldeploy.toml").write_text(rig.config.read_text())
    set_secret(folder, "signing", SECRET, "--app", "penguins")
    outcome = mldeploy(folder, "ship", str(bundles[FIRST]), "--watch", "0", "--json").outcome
    root = mldeploy(folder, "host", "ca", "rig").stdout
    return Edge(rig, folder, bundles, outcome["key"], root)


def set_secret(folder: Path, name: str, value: str, *options: str) -> None:
    subprocess.run([EXECUTABLE, "secrets", "set", name, *options], input=value, text=True, cwd=folder, check=True)


def await_status(ask: Callable[[], httpx.Response], status: int) -> None:
    until = time.monotonic() + REVOKED_WITHIN_SECONDS
    while (answer := ask()).status_code != status:
        assert time.monotonic() < until, f"{answer.status_code} after {REVOKED_WITHIN_SECONDS} s"
        time.sleep(0.1)


def test_without_a_key_nobody_is_answered_and_with_one_made_now_they_are(edge: Edge) -> None:
    assert edge.ask().status_code == 401
    assert edge.ask(key=edge.key).status_code == 200
    made = mldeploy(edge.folder, "keys", "create", "crm", "--expires", "1h", "--json").outcome["key"]
    await_status(lambda: edge.ask(key=made), 200)
    assert [key["name"] for key in mldeploy(edge.folder, "keys", "list", "--json").outcome] == ["first", "crm"]
    assert mldeploy(edge.folder, "keys", "revoke", "crm").exit_code == 0
    await_status(lambda: edge.ask(key=made), 401)
    assert edge.ask(key=edge.key).status_code == 200


def test_the_host_holds_no_key(edge: Edge) -> None:
    found = edge.rig.vm.exec("sh", "-c", f"grep -rl '{edge.key[13:]}' /var/lib/mldeploy || echo none")
    assert found == "none"


def test_a_planted_secret_is_in_its_file_and_nowhere_else(edge: Edge) -> None:
    vm = edge.rig.vm
    where = vm.exec("sh", "-c", f"grep -rl {SECRET} /var/lib/mldeploy /var/log /etc /root /tmp || true").split()
    assert sorted(where) == [
        "/var/lib/mldeploy/penguins/secrets/r1/signing",
        "/var/lib/mldeploy/penguins/secrets/today/signing",
    ]
    assert vm.exec("stat", "--format", "%a %u", *where).split("\n") == ["600 10001"] * 2
    assert SECRET not in vm.exec("docker", "inspect", "penguins-r1")
    assert SECRET not in vm.exec(
        "docker", "history", "--no-trunc", vm.exec("docker", "inspect", "--format", "{{.Image}}", "penguins-r1")
    )
    assert SECRET not in vm.exec(
        "sh", "-c", "docker logs penguins-r1 2>&1; docker logs mldeploy-caddy 2>&1; journalctl"
    )
    assert SECRET not in vm.exec(
        "sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    )
    assert (
        vm.exec("docker", "exec", "penguins-r1", "python3", "-c", "print(open('/run/secrets/signing').read())")
        == SECRET
    )
    failed = mldeploy(edge.folder, "secrets", "unset", SECRET[:4])
    assert SECRET not in failed.stderr + mldeploy(edge.folder, "secrets", "list").stdout


def test_a_rollback_keeps_its_secrets_unless_told_and_says_which_changed(edge: Edge) -> None:
    set_secret(edge.folder, "signing", "another")
    mldeploy(edge.folder, "ship", str(edge.bundles[SECOND]), "--watch", "0", "--json")

    def held(release: str) -> str:
        return edge.rig.vm.exec("cat", f"/var/lib/mldeploy/penguins/secrets/{release}/signing")

    assert (held("r1"), held("r2")) == (SECRET, "another")
    kept = mldeploy(edge.folder, "rollback", "--watch", "0", "--json").outcome
    assert "changed since: signing" in " ".join(kept["warnings"])
    assert held("r1") == SECRET
    mldeploy(edge.folder, "rollback", "r2", "--watch", "0", "--json")
    process = start(edge.folder, "rollback", "r1", "--current-secrets", "--watch", "60")
    await_text(process, "give r1 today's secrets")
    process.kill()
    process.communicate()
    edge.rig.vm.exec("flock", "--timeout", "30", LOCK, "true")
    mldeploy(edge.folder, "rollback", "r1", "--watch", "0", "--json")
    assert held("r1") == SECRET
    mldeploy(edge.folder, "rollback", "r2", "--watch", "0", "--json")
    renewed = mldeploy(edge.folder, "rollback", "r1", "--watch", "0", "--current-secrets", "--json").outcome
    assert "changed since" not in " ".join(renewed["warnings"])
    assert held("r1") == "another"
    assert edge.rig.vm.exec("find", ROOT, "-name", "*.before*") == ""


def test_the_logged_predictions_are_fetched_as_they_were_answered(edge: Edge) -> None:
    answered = edge.ask(key=edge.key).json()

    def fetched() -> list[dict[str, Any]]:
        paths = mldeploy(edge.folder, "predictions", "pull", "--since", "1h", "--out", "fetched", "--json").outcome
        texts = [(edge.folder / path).read_bytes() for path in paths]
        # A file that is finished is compressed: one that a release before has left.
        lines = [line for text in texts for line in (gzip.decompress(text) if text[:2] == GZIP else text).splitlines()]
        return [line for line in map(json.loads, lines) if line["request_id"] == answered["request_id"]]

    await_ok(lambda: bool(fetched()))
    [line] = fetched()
    assert (line["inputs"], line["output"]) == (edge.rows[0], answered["predictions"][0])


def test_an_app_is_added_beside_another_without_a_lost_request(edge: Edge) -> None:
    folder = edge.folder / "second"
    folder.mkdir()
    (folder / "mldeploy.toml").write_text(edge.rig.config.read_text() + '[app]\nname = "birds"\npath = "/birds"\n')
    with edge.traffic() as traffic:
        shipped = mldeploy(folder, "ship", str(edge.bundles[SECOND]), "--watch", "0", "--json").outcome
        traffic.await_answers(50)
    assert traffic.tally.lost == []
    answer = edge.ask("/birds/predict", key=shipped["key"])
    assert (answer.status_code, answer.json()["version"]) == (200, SECOND)
    assert edge.ask("/birds/predict", key=edge.key).status_code == 401
    assert edge.ask("/birds/rotation").status_code == 404


def test_two_apps_cannot_claim_one_place(edge: Edge) -> None:
    folder = edge.folder / "third"
    folder.mkdir()
    (folder / "mldeploy.toml").write_text(edge.rig.config.read_text() + '[app]\nname = "fish"\n')
    ended = mldeploy(folder, "ship", str(edge.bundles[FIRST]), "--watch", "0")
    assert ended.exit_code == 2
    assert "serves penguins there already" in ended.stderr
    assert edge.ask(key=edge.key).status_code == 200


def test_caddy_is_replaced_and_its_authority_stays_without_a_lost_request(edge: Edge) -> None:
    before = edge.rig.vm.exec("docker", "inspect", "--format", "{{.Id}}", "mldeploy-caddy")
    with edge.traffic() as traffic, connect("rig", load_config(edge.folder / "mldeploy.toml")) as ssh:
        start_caddy(ssh)
        traffic.await_answers(50)
    assert edge.rig.vm.exec("docker", "inspect", "--format", "{{.Id}}", "mldeploy-caddy") != before
    assert traffic.tally.lost == []
    assert mldeploy(edge.folder, "host", "ca", "rig").stdout == edge.root


def test_an_app_that_is_destroyed_is_gone_but_for_its_ledger_without_a_lost_request(edge: Edge) -> None:
    vm = edge.rig.vm
    assert mldeploy(edge.folder, "destroy", "birds").exit_code == 2
    for none in ("brids", "caddy", "..", ""):
        assert mldeploy(edge.folder, "destroy", none, "--yes").exit_code == 2
    with edge.traffic() as traffic:
        assert mldeploy(edge.folder, "destroy", "birds", "--yes").exit_code == 0
        traffic.await_answers(50)
    assert traffic.tally.lost == []
    assert vm.exec("ls", "/var/lib/mldeploy/birds") == "ledger.jsonl"
    assert vm.exec("docker", "ps", "--all", "--quiet", "--filter", "label=mldeploy.app=birds") == ""
    assert edge.ask("/birds/predict").status_code in (401, 404)
    assert mldeploy(edge.folder, "destroy", "birds", "--yes").exit_code == 0
    again = mldeploy(edge.folder / "second", "ship", str(edge.bundles[SECOND]), "--watch", "0", "--json").outcome
    assert (again["release"], again["previous"]) == ("r2", None)


def test_a_body_over_the_limit_is_refused_at_the_edge(edge: Edge) -> None:
    trust = ssl.create_default_context(cadata=edge.root)
    headers = {"Authorization": f"Bearer {edge.key}"}
    body = b" " * (17 * 1024**2)
    answer = httpx.post(f"{edge.url}/predict", content=body, headers=headers, verify=trust, timeout=30)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_domain_is_certified_by_an_acme_authority_and_the_certificate_survives_caddy(edge: Edge) -> None:
    vm, domain = edge.rig.vm, "penguins.test"
    vm.exec(
        "sh",
        "-c",
        f"""
        mkdir -p /tmp/acme && printf '%s' '{{
            skip_install_trust
            admin off
            http_port 9080
            https_port 9443
        }}
        https://127.0.0.1:9443 {{
            tls internal
            acme_server
        }}' > /tmp/acme/Caddyfile
        grep -q {domain} /etc/hosts || echo '127.0.0.1 {domain}' >> /etc/hosts
        docker run -d --name acme --network host -v /tmp/acme:/etc/caddy:ro caddy:2
    """,
    )
    with connect("rig", load_config(edge.folder / "mldeploy.toml")) as ssh:
        copied = "docker cp acme:/data/caddy/pki/authorities/local/root.crt /tmp/root.crt"
        await_ok(lambda: ssh.run(["sh", "-c", copied], check=False).exit_code == 0)
        root = vm.exec("cat", "/tmp/root.crt") + "\n"
        mine = AppSite(
            name=domain,
            tls="acme",
            directory="https://127.0.0.1:9443/acme/local/directory",
            root=root,
            hsts_seconds=31536000,
            max_body=2**24,
            slots=("10.209.80.16", "10.209.80.17"),
        )
        put_site(ssh, AppFolder("penguins"), mine)

        def ask() -> tuple[str, httpx.Response]:
            return certificate_and_answer(edge, domain, root)

        serial, answer = await_value(ask)
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        start_caddy(ssh)
        assert await_value(ask)[0] == serial


def certificate_and_answer(edge: Edge, domain: str, root: str) -> tuple[str, httpx.Response]:
    """The certificate's serial number, and what /health answers, for a client that believes `root` alone."""
    trust = ssl.create_default_context(cadata=root)
    published = edge.rig.vm.published
    with httpx.Client(verify=trust, timeout=10) as client:
        answer = client.get(
            f"https://{published.address}:{published.https_port}/health",
            headers={"Host": domain},
            extensions={"sni_hostname": domain},
        )
        stream = answer.extensions["network_stream"]
        return stream.get_extra_info("ssl_object").getpeercert()["serialNumber"], answer


def await_ok(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.2)


def await_value(ask: Callable[[], tuple[str, httpx.Response]]) -> tuple[str, httpx.Response]:
    until = time.monotonic() + 60
    while True:
        try:
            return ask()
        except httpx.TransportError:
            assert time.monotonic() < until
            time.sleep(0.5)
