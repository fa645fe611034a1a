"""An environment of its own for each peer, made by uv from the package registry that this machine is set to."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uv

if TYPE_CHECKING:
    from bench.peers.known import Server

FOLDER = Path(__file__).parents[2] / "build" / "bench" / "environments"


def programs_of(server: Server) -> Path:
    """The folder of programs of the server's environment, which is made if it is not there yet."""
    if not server.packages:
        return Path(sys.executable).parent
    folder = _folder(server)
    if not (folder / "complete").exists():
        tool = uv.find_uv_bin()
        subprocess.run([tool, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
        install = [tool, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *server.packages]
        subprocess.run(install, check=True)
        (folder / "complete").touch()
    return folder / "bin"


def installed_megabytes(server: Server) -> float | None:
    """What its packages take unpacked; None for our own, whose measure is the image."""
    if not server.packages:
        return None
    return sum(path.stat().st_size for path in _folder(server).rglob("*") if path.is_file()) / 1e6


def versions_of(server: Server) -> dict[str, str]:
    """The versions of what was asked for by name."""
    tool = uv.find_uv_bin()
    listed = subprocess.run(
        [tool, "pip", "list", "--format", "freeze", "--python", str(programs_of(server) / "python")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    versions = dict(line.split("==") for line in listed.splitlines() if "==" in line)
    asked = {package.partition("==")[0].partition("[")[0] for package in server.packages}
    return {name: version for name, version in versions.items() if name in asked}


def _folder(server: Server) -> Path:
    return FOLDER / hashlib.sha256("\n".join(server.packages).encode()).hexdigest()[:12]
