"""Run one fault at one moment of a ship or a rollback under traffic, and judge what came of it."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mldeploy.host.layout import LOCK, ROOT
from mldeploy.release.retention import kept_releases
from tests.faults.scene import BEFORE, Action, Scene, ledger, other
from tests.integration.site import APP, Site, await_free_lock
from tests.rig import RigError

if TYPE_CHECKING:
    from tests.faults.injections import Fault
    from tests.traffic import Tally

AS_THEY_WERE = {1, 2, 3, 5, 6, 130}
"""The exit codes that promise that what served before serves."""


@dataclass(frozen=True)
class Case:
    fault: Fault
    action: Action
    moment: str

    def __str__(self) -> str:
        return f"{self.fault.name}, {self.action}, {self.moment}"


@dataclass
class Verdict:
    """What came of a case. `excused` were lost while the fault itself kept them from being answered.

    `complaints` is empty when all holds that is to hold.
    """

    case: Case
    exit_code: int | None = None
    serves: str = ""
    told: str = ""
    sent: int = 0
    lost: int = 0
    excused: int = 0
    complaints: list[str] = field(default_factory=list)


def run(site: Site, case: Case) -> Verdict:
    """Do it, then ship and roll back once more, all under one traffic."""
    verdict = Verdict(case)
    if case.action == "rollback":
        site.ship(other(site.serving()[1]))
    scene = Scene.of(site, case.action, case.fault.watch)
    with site.traffic(connections=4, rate=60) as traffic:
        try:
            _suffer(scene, case, traffic.tally, verdict)
            traffic.await_answers(20, deadline=120)
            if case.fault.excuses:
                verdict.excused = len(traffic.tally.lost)
            _look(scene, verdict)
            site.ship(other(site.serving()[1]))
            site.rollback()
            traffic.await_answers(20)
        except RigError as failure:
            verdict.complaints.append(f"{failure.message}: {failure.cause[-600:]}")
        except (AssertionError, TimeoutError) as failure:
            verdict.complaints.append(str(failure)[-600:])
    verdict.sent = traffic.tally.sent
    verdict.lost = len(traffic.tally.lost) - verdict.excused
    verdict.complaints += [f"lost: {loss}" for loss in traffic.tally.lost[verdict.excused :][:3]]
    verdict.complaints += left_over(site)
    return verdict


def _suffer(scene: Scene, case: Case, tally: Tally, verdict: Verdict) -> None:
    """The command under the fault, to its end, and the fault taken away."""
    try:
        if case.moment == BEFORE:
            case.fault.strike(scene)
            scene.begin()
        else:
            scene.begin()
            scene.reach(case.moment)
            if tally.lost:
                verdict.complaints.append(f"{len(tally.lost)} lost before the fault")
            case.fault.strike(scene)
        said = _await_end(scene, verdict)
    finally:
        if scene.process:
            scene.process.kill()
        case.fault.mend(scene)
    verdict.exit_code = scene.laptop.returncode
    if "Traceback" in said:
        verdict.complaints.append(said[-600:])


def _await_end(scene: Scene, verdict: Verdict) -> str:
    """What the command says until it ends. One that hangs is made to say where."""
    try:
        return scene.laptop.communicate(timeout=240)[1]
    except subprocess.TimeoutExpired:
        scene.laptop.send_signal(signal.SIGABRT)
        said = scene.laptop.communicate()[1]
        verdict.complaints.append(f"it hung: {said[-5000:]}")
        return said


def _look(scene: Scene, verdict: Verdict) -> None:
    """What serves, and whether the exit code and the ledger say the truth of it."""
    serving = scene.site.serving()[0]
    verdict.serves = "the new" if serving == scene.release else "the old"
    promised = {0: scene.release, **dict.fromkeys(AS_THEY_WERE, scene.before)}.get(verdict.exit_code or 0, serving)
    if serving != promised:
        verdict.complaints.append(f"exit code {verdict.exit_code}, but {serving} serves")
    history = ledger(scene.site)
    if history.interrupted:
        verdict.told = "interrupted"
    else:
        verdict.told = "finished" if history.serving == scene.release else "as before"
        if history.serving != serving:
            verdict.complaints.append(f"the ledger says that {history.serving} serves, but {serving} does")


def left_over(site: Site) -> list[str]:
    """What is on the host that no release needs and no rollback can reach, and where the ledger errs."""
    await_free_lock(site)
    (serving, _), history, vm = site.serving(), ledger(site), site.rig.vm
    found = []
    if history.serving != serving or history.interrupted:
        found.append(f"the ledger says {history.serving} (interrupted: {bool(history.interrupted)}), {serving} serves")
    if site.running() != {f"{APP}-{serving}"}:
        found.append(f"running: {sorted(site.running())}")
    if site.in_rotation() != {serving}:
        found.append(f"in rotation: {sorted(site.in_rotation())}")
    containers = vm.exec("docker", "ps", "--all", "--filter", f"label=mldeploy.app={APP}", "--format", "{{.Names}}")
    reachable = {name for name in history.releases if history.state_of(name) == "rolled back from"}
    needed = {f"{APP}-{release}" for release in kept_releases(history.served) | reachable}
    found += [f"container {name} is left" for name in set(containers.split()) - needed]
    settings = vm.exec("ls", "-1", f"{ROOT}/{APP}/settings").split()
    useless = {release for release in history.releases if history.state_of(release) in ("failed", "interrupted")}
    found += [f"settings of {release} are left" for release in sorted(useless) if f"{release}.json" in settings]
    halves = vm.exec("find", ROOT, "/run", "-name", "*.new", "-o", "-name", "mldeploy*token*")
    found += [f"{path} is left" for path in halves.split()]
    found += vm.exec("sh", "-c", 'flock --nonblock "$1" true || echo "the lock is held"', "try", LOCK).splitlines()
    return found
