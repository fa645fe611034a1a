"""The Docker Engine of this machine: the one that answers, or one that we start and later end."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy import console
from tests.rig.shell import RigError, as_root, run, which

if TYPE_CHECKING:
    from collections.abc import Callable

START_TIMEOUT_S = 60
INSTALL = "Run `sh tests/rig/bootstrap.sh rig` as root: it installs what is missing."
PID_FILE = "dockerd.pid"


def docker(*argv: str, stdin: bytes | None = None, timeout: float | None = None) -> str:
    """Run the docker client and answer its standard output."""
    return run("docker", *argv, stdin=stdin, timeout=timeout)


def ensure(folder: Path) -> None:
    """Leave with an engine that answers; the process id of one that we started goes to `folder`."""
    if which("docker") is None:
        raise RigError("Docker is not installed", remedy=INSTALL)
    refusal = _refusal()
    if not refusal:
        return
    if "permission denied" in refusal.lower():
        raise RigError(
            "this user may not talk to the Docker Engine",
            cause=refusal,
            remedy="Run `sudo usermod -aG docker $USER` and log in again, or run the same command as root.",
        )
    _start(folder)


def stop(folder: Path) -> None:
    """End the engine if we started it and nobody else runs containers on it."""
    pid_file = folder / PID_FILE
    if not pid_file.exists():
        return
    pid = pid_file.read_text().strip()
    if not _is_dockerd(pid):
        return
    if docker("ps", "--quiet"):
        console.note(f"the Docker Engine that the rig started (process {pid}) stays: other containers run on it")
        return
    run(*as_root("sh", "-c", f"kill {pid}"))
    _wait(lambda: not _is_dockerd(pid), "dockerd did not end")


def _refusal() -> str:
    try:
        docker("version", "--format", "{{.Server.Version}}", timeout=20)
    except RigError as failure:
        return failure.cause or failure.message
    return ""


def _start(folder: Path) -> None:
    if which("dockerd") is None:
        raise RigError("no Docker Engine answers, and dockerd is not installed", remedy=INSTALL)
    _mount_cgroups()
    log = folder / "dockerd.log"
    pid_file = folder / PID_FILE
    # One left by an engine that died would stop the next as soon as another process has its number.
    pid_file.unlink(missing_ok=True)
    argv = as_root("dockerd", "--pidfile", str(pid_file), "--group", str(os.getgid()))
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True)

    def answers() -> bool:
        if process.poll() is not None:
            complaint = [line for line in log.read_text().splitlines() if "fail" in line.lower()]
            raise RigError("dockerd ended at once", cause="\n".join(complaint[-3:]), remedy=f"Read {log}.")
        return not _refusal()

    _wait(answers, f"dockerd did not answer; read {log}")
    console.step("Docker Engine started")


def _mount_cgroups() -> None:
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists() or (root / "memory").is_dir():
        return
    if which("cgroupfs-mount") is None:
        raise RigError("no control groups are mounted", remedy="Install the package cgroupfs-mount, or boot with them.")
    run(*as_root("cgroupfs-mount"))


def _is_dockerd(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "dockerd"
    except OSError:
        return False


def _wait(condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise RigError(complaint, cause=f"waited {START_TIMEOUT_S} s")
        time.sleep(0.1)
