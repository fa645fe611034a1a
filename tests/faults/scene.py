"""One ship or rollback that is under way, and what can be seen and done around it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from mldeploy.host.layout import ROOT, AppFolder
from mldeploy.release.ledger import History, replay
from tests.integration.command import start
from tests.integration.site import APP, FIRST, HTTP_ONLY, SECOND, Site, await_text

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.rig import Rig

Action = Literal["ship", "rollback"]

BEFORE = "before the command"
BUILT, PREPARED, STARTED, PROVEN, ENTERED, SWITCHED, WATCHED = (
    "before the lock", "prepared", "started", "proven", "in rotation", "switched", "drain",
)  # fmt: skip
MOMENTS = {
    BEFORE: "",
    BUILT: "image for linux/",
    PREPARED: "ledger: started",
    STARTED: "slot, out of rotation",
    PROVEN: "answer the golden rows",
    ENTERED: "into rotation",
    SWITCHED: "ledger: switched",
    WATCHED: "watch r",
}
"""The moments at which a fault strikes, and what the command says as each is reached."""

ROOMY = "size=3g,nr_inodes=10000"
"""More than a bare host and a release ask for."""
NO_LATENCY_LIMIT = "[watch]\nmax_p99_ratio = 1000\n"
"""How long answers take is no part of the cases: a machine that is busy with other work is slow of its own."""
WATCH_SECONDS = "4"
"""Long enough for a fault just after the switch to be seen, whatever else this machine does."""


@dataclass
class Scene:
    """`release` is the one that the command is to make serve, `before` the one that serves as it begins.

    `watch` is for how many seconds it watches.
    """

    site: Site
    action: Action
    bundle: Path
    before: str
    release: str
    watch: str
    process: subprocess.Popen[str] | None = None

    @classmethod
    def of(cls, site: Site, action: Action, watch: str) -> Scene:
        history, (serving, version) = ledger(site), site.serving()
        release = history.next_release if action == "ship" else history.served[-2]
        return cls(site, action, site.bundles[other(version)], serving, release, watch)

    @property
    def container(self) -> str:
        return f"{APP}-{self.release}"

    @property
    def laptop(self) -> subprocess.Popen[str]:
        """The process of the command."""
        assert self.process is not None
        return self.process

    def begin(self) -> None:
        bundle = [str(self.bundle)] if self.action == "ship" else []
        self.process = start(self.site.folder, self.action, *bundle, "--watch", self.watch)

    def reach(self, moment: str) -> None:
        await_text(self.laptop, MOMENTS[moment])

    def in_vm(self, script: str, *arguments: str) -> str:
        return self.site.rig.vm.exec("sh", "-c", script, "in the VM", *arguments)

    def pid(self) -> str:
        """The new release's process, as the VM numbers it."""
        return self.in_vm('docker inspect --format "{{.State.Pid}}" "$1"', self.container)


def prepared(rig: Rig, folder: Path, bundles: dict[str, Path], *, small_disk: bool = False) -> Site:
    """A bare VM, on which the first version is shipped.

    With `small_disk` mldeploy's folder has a file system of its own, which can be shrunk to what it holds. It does
    not outlive the VM's being off.
    """
    rig.vm.reset()
    if small_disk:
        rig.vm.exec("mkdir", "-p", ROOT)
        rig.vm.exec("mount", "-t", "tmpfs", "-o", f"{ROOMY},mode=0755", "tmpfs", ROOT)
    (folder / "mldeploy.toml").write_text(rig.config.read_text() + HTTP_ONLY + NO_LATENCY_LIMIT)
    site = Site(folder, rig, bundles)
    return replace(site, key=site.ship(FIRST)["key"])


def other(version: str) -> str:
    return SECOND if version == FIRST else FIRST


def ledger(site: Site) -> History:
    return replay(site.rig.vm.exec("cat", AppFolder(APP).ledger))
