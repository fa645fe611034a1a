"""The runtime's dependencies for the *target* platform, from its hash-locked requirements."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from uv import find_uv_bin

from mldeploy.errors import MldeployError, UnreachableError

if TYPE_CHECKING:
    from pathlib import Path

PLATFORMS = {"linux/amd64": "x86_64-manylinux_2_28", "linux/arm64": "aarch64-manylinux_2_28"}
"""What wheels call a platform; any base from Debian 10 on has that C library."""


def install_wheels(lock: Path, platform: str, python: str, into: Path) -> None:
    """Fill the folder `into` with the packages that `lock` pins, for Python `python` on `platform`.

    Raises UnreachableError when the package index does not answer, MldeployError when a package does
    not fit.
    """
    argv = [
        find_uv_bin(), "pip", "install", "--quiet", "--no-progress",
        "--target", str(into), "--python", sys.executable,
        "--python-platform", PLATFORMS[platform], "--python-version", python,
        "--only-binary", ":all:", "--no-deps", "--require-hashes", "--link-mode", "copy",
        "--requirements", str(lock),
    ]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    cause = done.stderr.strip()
    if any(sign in cause for sign in ("Failed to fetch", "error sending request", "dns error", "timed out")):
        raise UnreachableError(
            "the package index does not answer",
            cause=cause,
            remedy="The first image for a platform needs the network once; try again when it is there.",
        )
    raise MldeployError(f"the server's packages cannot be installed for {platform} and Python {python}", cause=cause)
