"""A work folder with two bundles and the VM they are shipped to, for tests of ship and rollback."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from mldeploy.bundle import read_bundle
from mldeploy.host.commands import files
from mldeploy.host.layout import AppFolder
from mldeploy.release.state import Slots
from tests.integration.command import mldeploy

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.rig import Rig

APP = "penguins"
FIRST, SECOND = "1.0.0", "1.1.0"


@dataclass(frozen=True)
class Site:
    """A work folder with two bundles, and the VM they are shipped to."""

    folder: Path
    rig: Rig
    bundles: dict[str, Path]

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


def slots_of(site: Site) -> Slots:
    raw = json.loads(site.rig.vm.exec(*files.read(AppFolder(APP).slots)))
    return Slots(raw["blue"], raw["green"])


def await_text(process: subprocess.Popen[str], text: str) -> None:
    """Block until the command has said `text`."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"the command ended without saying {text!r}")


def await_free_lock(site: Site) -> None:
    site.rig.vm.exec("flock", "--timeout", "30", "/var/lib/mldeploy/lock", "true")
