"""An environment of its own for each server, made by uv from a lock: `python -m bench.peers.environment` locks anew."""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from mldeploy.installer import uv

if TYPE_CHECKING:
    from bench.peers.known import Server

FOLDER = Path(__file__).parents[2] / "build" / "bench" / "environments"
OLDEST_PYTHON = "3.11"


def programs_of(server: Server) -> Path:
    """The folder of programs of the server's environment, which is made if it is not there in whole.

    Raises InstallerError or UnreachableError, which say why it cannot be made.
    """
    folder = _folder(server)
    if not (folder / "complete").exists():
        uv("venv", "--quiet", "--no-project", "--clear", "--python", sys.executable, str(folder))
        uv(
            *("pip", "install", "--quiet", "--no-deps", "--compile-bytecode", "--link-mode", "copy"),
            *("--python", str(folder / "bin" / "python"), "--requirements", str(server.lock)),
        )
        (folder / "complete").touch()
    return folder / "bin"


def warm(server: Server) -> None:
    """Read all that is installed once, so that no start waits for a disk."""
    for path in _folder(server).rglob("*"):
        if path.is_file():
            path.read_bytes()


def installed_megabytes(server: Server) -> float:
    """What its packages take unpacked, with the bytecode that an installer writes."""
    return sum(path.stat().st_size for path in _folder(server).rglob("*") if path.is_file()) / 1e6


def versions_of(server: Server) -> dict[str, str]:
    """The locked versions of what was asked for by name."""
    asked = {Requirement(package).name for package in server.packages}
    pinned = [Requirement(line) for line in server.lock.read_text().splitlines()]
    return {
        pin.name: str(pin.specifier).removeprefix("==")
        for pin in pinned
        if pin.name in asked and (pin.marker is None or pin.marker.evaluate())
    }


def lock(server: Server) -> None:
    """Pin the newest versions of the server's packages and of all that they need, for this Python and later ones."""
    server.lock.parent.mkdir(exist_ok=True)
    found = uv(
        *("pip", "compile", "-", "--quiet", "--no-header", "--no-annotate"),
        *("--universal", "--python-version", OLDEST_PYTHON),
        text="\n".join(server.packages),
    )
    server.lock.write_text(found)


def _folder(server: Server) -> Path:
    made_from = f"{platform.python_version()}\n{server.lock.read_text()}"
    return FOLDER / f"{server.lock.stem}-{hashlib.sha256(made_from.encode()).hexdigest()[:12]}"


def main() -> None:
    from bench.peers.known import OURS, PEERS

    for server in (OURS, *PEERS):
        lock(server)


if __name__ == "__main__":
    main()
