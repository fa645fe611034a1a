"""Commands of this machine, as root where that is needed."""

from __future__ import annotations

import os
import shutil
import subprocess

from mldeploy.errors import MldeployError


class RigError(MldeployError):
    """This machine cannot run the rig, or a part of it failed."""


def run(*argv: str, stdin: bytes | None = None, timeout: float | None = None) -> str:
    """Run `argv` and answer its standard output; what went wrong is in the error's cause.

    Raises:
        RigError: the command is missing, failed, or took longer than `timeout` seconds.
    """
    command = " ".join(argv[:3])
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=timeout, check=False)
    except FileNotFoundError as failure:
        raise RigError(
            f"{argv[0]} is not installed", remedy="Run `sh tests/rig/bootstrap.sh rig`: it installs what is missing."
        ) from failure
    except subprocess.TimeoutExpired as failure:
        raise RigError(f"`{command}` did not end", cause=f"it was stopped after {timeout:g} s") from failure
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        raise RigError(f"`{command}` failed", cause="\n".join(said.splitlines()[-20:]))
    return done.stdout.decode(errors="replace").strip()


def which(command: str) -> str | None:
    """Find `command`, also where users without root do not look."""
    return shutil.which(command, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def as_root(*argv: str) -> tuple[str, ...]:
    """Put sudo in front of `argv` unless we are root.

    Raises:
        RigError: we are not root and sudo is missing or asks for a password.
    """
    if os.geteuid() == 0:
        return argv
    if (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ("sudo", "-n", *argv)
    raise RigError(
        f"`{argv[0]}` needs root",
        cause="this is not root, and sudo is missing or asks for a password",
        remedy="Run `sudo -v` first, or run the same command as root.",
    )
