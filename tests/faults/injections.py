"""The faults: how each is done, how it is taken away again, and at which moments it makes sense."""

from __future__ import annotations

import signal
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mldeploy.host.layout import ROOT, AppFolder
from tests.faults.scene import (
    BEFORE,
    BUILT,
    ENTERED,
    PREPARED,
    PROVEN,
    ROOMY,
    STARTED,
    SWITCHED,
    WATCH_SECONDS,
    WATCHED,
    Scene,
    ledger,
    other,
)
from tests.integration.bases import publish_base
from tests.integration.bundles import linear_bundle
from tests.integration.command import mldeploy
from tests.integration.site import APP, await_free_lock
from tests.rig import images
from tests.rig.engine import docker
from tests.rig.names import names_of
from tests.rig.rig import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

UNTIL_WATCHED = (PREPARED, STARTED, PROVEN, ENTERED, SWITCHED)
ON_HOST = (*UNTIL_WATCHED, WATCHED)
"""The moments at which the lock is held."""
FOREIGN = "# For another architecture.\n"
UNTIL_ANOTHER_ASKED = "20"
"""Seconds of a watch, in which another laptop gets as far as asking for the lock however busy this machine is. The
drain after it is over before that."""


def _nothing(_: Scene) -> None:
    pass


@dataclass(frozen=True)
class Fault:
    """`ship` and `rollback` are the moments at which it is done to them.

    `excuses` is for one that by its nature loses requests while it lasts; `small_disk` for one that needs
    a VM whose disk can be filled; `watch` is for how many seconds the command then watches.
    """

    name: str
    strike: Callable[[Scene], None]
    ship: tuple[str, ...]
    rollback: tuple[str, ...]
    mend: Callable[[Scene], None] = _nothing
    excuses: bool = False
    small_disk: bool = False
    watch: str = WATCH_SECONDS


def _kill_laptop(scene: Scene) -> None:
    scene.laptop.kill()
    scene.laptop.wait()


def _interrupt(scene: Scene) -> None:
    scene.laptop.send_signal(signal.SIGINT)


def _cut_connection(scene: Scene) -> None:
    scene.in_vm(
        "for pid in $(grep --files-with-matches '^sshd-session$' /proc/[0-9]*/comm | cut -d/ -f3); do "
        "kill -KILL $pid || true; done"
    )


def _sleep_and_wake(scene: Scene) -> None:
    """Asleep until the host has freed the lock, which takes as long as the heartbeat may be missed."""
    scene.laptop.send_signal(signal.SIGSTOP)
    await_free_lock(scene.site)
    scene.laptop.send_signal(signal.SIGCONT)


def _stop_registry(_: Scene) -> None:
    docker("stop", "--time", "0", names_of(CHECKOUT).registry)


def _start_registry(scene: Scene) -> None:
    docker("start", names_of(CHECKOUT).registry)
    address, _, port = scene.site.rig.registry.partition(":")
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection((address, int(port)), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def _fill_disk(scene: Scene) -> None:
    """Shrink the disk to what it holds. What is written meanwhile makes that too small, and it is tried again."""
    scene.in_vm(
        "tries=20; "
        'until mount -o remount,size="$(df --output=used -k "$1" | tail -n 1 | tr -d " ")k",'
        'nr_inodes="$(df --output=iused "$1" | tail -n 1 | tr -d " ")" "$1"; '
        'do tries=$((tries - 1)); [ "$tries" -gt 0 ] || exit 1; done',
        ROOT,
    )


def _free_disk(scene: Scene) -> None:
    scene.site.rig.vm.exec("mount", "-o", f"remount,{ROOMY}", ROOT)


def _restart_docker(scene: Scene) -> None:
    scene.in_vm("systemctl reset-failed docker; systemctl restart docker")


def _cycle_power(scene: Scene) -> None:
    scene.site.rig.vm.power_cycle()


def _kill_for_memory(scene: Scene) -> None:
    """The kernel does it: something in the container asks for more than its limit, and the server is the one to go."""
    scene.in_vm(
        'echo 1000 > "/proc/$1/oom_score_adj"; docker exec "$2" python3 -c "b\'x\' * 2**31" || true',
        scene.pid(),
        scene.container,
    )


def _build_for_another_architecture(scene: Scene) -> None:
    """The settings name a platform that is not the host's."""
    folder = scene.site.folder / "foreign"
    folder.mkdir(exist_ok=True)
    base = publish_base(scene.site.rig, images.arm64(folder)[0], folder)
    with _settings(scene).open("a") as settings:
        settings.write(f'{FOREIGN}[image]\nplatform = "linux/arm64"\nbase = "{base}"\n')


def _build_for_the_host(scene: Scene) -> None:
    text, _, _ = _settings(scene).read_text().partition(FOREIGN)
    _settings(scene).write_text(text)


def _settings(scene: Scene) -> Path:
    return scene.site.folder / "mldeploy.toml"


def _take_wrong_golden_rows(scene: Scene) -> None:
    scene.bundle = linear_bundle(scene.site.folder / "wrong", name=APP, golden_weight=9.0).path


def _answer_otherwise_on_host(scene: Scene) -> None:
    """What is expected is changed in the image that the host has already: to the release it is as another processor."""
    site = scene.site
    version = other(site.serving()[1])
    site.ship(version)
    site.rollback()
    scene.release = ledger(site).next_release
    changed = scene.in_vm(
        'for rows in $(find /var/lib/docker -path "*/bundle/golden.json"); do '
        'if grep -q ""$1"" "${rows%/*}/manifest.json"; then '
        'sed --in-place=.sound "s/Adelie/Gentoo/" "$rows"; echo "$rows"; fi; done',
        version,
    )
    assert changed, "there are no golden rows of the image on the host"


def _answer_as_before(scene: Scene) -> None:
    scene.in_vm('for sound in $(find /var/lib/docker -name golden.json.sound); do mv "$sound" "${sound%.sound}"; done')


def _freeze_release(scene: Scene) -> None:
    scene.in_vm('kill -STOP "$1"', scene.pid())


def _kill_release(scene: Scene) -> None:
    scene.in_vm('kill -KILL "$1"', scene.pid())


def _ship_from_second_laptop(scene: Scene) -> None:
    ended = mldeploy(scene.site.folder, "ship", str(scene.bundle), "--watch", "0")
    assert ended.exit_code == 6, f"the second laptop got exit code {ended.exit_code}: {ended.stderr[-500:]}"


def _tear_ledger(scene: Scene) -> None:
    """As a power cut does: nobody goes on, and of the line that was being written last a part is missing."""
    _kill_laptop(scene)
    await_free_lock(scene.site)
    scene.in_vm('truncate --size=-30 "$1"', AppFolder(APP).ledger)


def _put_clock_off(scene: Scene) -> None:
    """The VM has this machine's clock, so it is `date` that lies: mldeploy asks nothing else."""
    scene.in_vm(
        'printf \'#!/bin/sh\\nexec /usr/bin/date --date "1 hour" "$@"\\n\' > /usr/local/bin/date; '
        "chmod 755 /usr/local/bin/date"
    )


def _put_clock_right(scene: Scene) -> None:
    scene.in_vm("rm /usr/local/bin/date")


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("laptop killed", _kill_laptop, (BUILT, *ON_HOST), ON_HOST),
        Fault("Ctrl-C", _interrupt, (BUILT, *ON_HOST), ON_HOST),
        Fault("connection cut", _cut_connection, ON_HOST, ON_HOST),
        Fault("laptop asleep", _sleep_and_wake, ON_HOST, ON_HOST),
        Fault("registry gone", _stop_registry, (BEFORE, BUILT, STARTED), (BEFORE,), _start_registry),
        Fault("disk full", _fill_disk, (BEFORE, *ON_HOST), (BEFORE, *ON_HOST), _free_disk, small_disk=True),
        Fault("dockerd restarted", _restart_docker, (BUILT, *ON_HOST), ON_HOST),
        Fault("VM off and on", _cycle_power, (BUILT, *ON_HOST), ON_HOST, excuses=True),
        Fault(
            "killed for memory",
            _kill_for_memory,
            (STARTED, PROVEN, ENTERED, SWITCHED),
            (STARTED, SWITCHED),
            excuses=True,
        ),
        Fault("wrong architecture", _build_for_another_architecture, (BEFORE,), (), _build_for_the_host),
        Fault("wrong golden rows", _take_wrong_golden_rows, (BEFORE,), ()),
        Fault("other answers on the host", _answer_otherwise_on_host, (BEFORE,), (), _answer_as_before),
        Fault("never ready", _freeze_release, (STARTED,), (STARTED,)),
        Fault("dies after the switch", _kill_release, (ENTERED, SWITCHED), (ENTERED, SWITCHED), excuses=True),
        Fault(
            "second laptop",
            _ship_from_second_laptop,
            UNTIL_WATCHED,
            UNTIL_WATCHED,
            watch=UNTIL_ANOTHER_ASKED,
        ),
        Fault("ledger torn", _tear_ledger, (PREPARED, SWITCHED), (PREPARED, SWITCHED)),
        Fault("clock off", _put_clock_off, (BEFORE,), (BEFORE,), _put_clock_right),
    )
}
