"""A work folder with two bundles and the VM they are shipped to, for tests of ship and rollback."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from mldeploy.bundle import read_bundle
from mldeploy.config import load_config
from mldeploy.host.commands import files
from mldeploy.host.layout import AppFolder
from mldeploy.host.ssh import connect
from tests.integration.command import mldeploy
from tests.traffic import Traffic

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from mldeploy.host.executor import Executor
    from tests.rig import Rig

APP = "penguins"
FIRST, SECOND = "1.0.0", "1.1.0"
HTTP_ONLY = '[app.tls]\nmode = "off"\n'


@dataclass(frozen=True)
class Site:
    """A work folder with two bundles, and the VM they are shipped to."""

    folder: Path
    rig: Rig
    bundles: dict[str, Path]
    key: str = ""

    def traffic(self, **options: Any) -> Traffic:
        """Requests with the app's key, to where it answers."""
        return Traffic(self.url, self.rows, self.key, **options)

    def post(self, rows: list[dict[str, Any]], **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self.key}", **headers}
        return httpx.post(f"{self.url}/predict", json={"instances": rows}, headers=sent, timeout=10)

    @property
    def url(self) -> str:
        return self.rig.vm.url

    @property
    def rows(self) -> list[dict[str, Any]]:
        return read_bundle(self.bundles[FIRST]).golden.instances

    def ship(self, version: str, *options: str) -> Any:
        return mldeploy(self.folder, "ship", str(self.bundles[version]), "--watch", "1", "--json", *options).outcome

    def rollback(self, *options: str) -> Any:
        return mldeploy(self.folder, "rollback", "--watch", "1", "--json", *options).outcome

    def releases(self) -> dict[str, str]:
        """The ledger's states by release."""
        rows = mldeploy(self.folder, "releases", "--json").outcome
        return {row["release"]: row["state"] for row in rows}

    def serving(self) -> tuple[str, str]:
        """The release and version that answer from outside."""
        health = httpx.get(f"{self.url}/health", timeout=10).raise_for_status().json()
        return health["release"], health["version"]

    def running(self) -> set[str]:
        names = self.rig.vm.exec("docker", "ps", "--filter", f"label=mldeploy.app={APP}", "--format", "{{.Names}}")
        return set(names.split())

    def in_rotation(self) -> set[str]:
        return set(self.rig.vm.exec(*files.list_folder(AppFolder(APP).rotation)).split())


@contextmanager
def on_host(site: Site) -> Iterator[Executor]:
    with connect("rig", load_config(site.folder / "mldeploy.toml")) as ssh:
        yield ssh


def await_text(process: subprocess.Popen[str], text: str) -> None:
    """Block until the command has said `text`."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"the command ended without saying {text!r}")


def await_free_lock(site: Site) -> None:
    site.rig.vm.exec("flock", "--timeout", "30", "/var/lib/mldeploy/lock", "true")
