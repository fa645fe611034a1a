"""A minimal Debian trixie from packages alone, for where no image of it can be pulled."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.rig.engine import docker
from tests.rig.shell import as_root, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.apt import Apt

TIMEOUT_S = 900
# Not in /tmp, which may be small or refuse devices.
SCRATCH = Path("/var/tmp/mldeploy-rig")
NOT_IMPORTED = ("./dev/*", "./var/cache/apt/archives/*.deb", "./var/lib/apt/lists/*")


def bootstrap(image: str, settings: Apt) -> None:
    """Make the image with debootstrap, which takes about half a minute and needs root."""
    keyring = [f"--keyring={settings.keyring}"] if settings.keyring else []
    # The script is named, where the arguments allow it, because older versions of debootstrap know no trixie.
    mirror = [settings.mirror, "/usr/share/debootstrap/scripts/sid"] if settings.mirror else []
    root, tarball = SCRATCH / "root", SCRATCH / "debian.tar"
    with _scratch():
        run(*as_root("debootstrap", "--variant=minbase", *keyring, "trixie", str(root), *mirror), timeout=TIMEOUT_S)
        skipped = [f"--exclude={path}" for path in NOT_IMPORTED]
        run(*as_root("tar", "--directory", str(root), *skipped, "--create", "--file", str(tarball), "."))
        docker("import", str(tarball), image)


@contextmanager
def _scratch() -> Iterator[None]:
    """An empty `SCRATCH`, for one process at a time of whichever checkout, gone afterwards."""
    parent = os.open(SCRATCH.parent, os.O_RDONLY)
    try:
        fcntl.flock(parent, fcntl.LOCK_EX)
        _remove()
        SCRATCH.mkdir()
        yield
    finally:
        _remove()
        os.close(parent)


def _remove() -> None:
    # One file system: an interrupted debootstrap may have left /proc mounted in there.
    run(*as_root("rm", "--recursive", "--force", "--one-file-system", str(SCRATCH)))
