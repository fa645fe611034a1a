"""uv, which comes with mldeploy: it resolves, locks and installs packages, and finds Pythons."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from uv import find_uv_bin

from mldeploy.errors import MldeployError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_ANSWER = ("Failed to fetch", "error sending request", "dns error", "timed out", "not found in the cache")
"""What uv says when a package index does not answer."""

NO_DOWNLOADS = {"UV_PYTHON_DOWNLOADS": "never"}
"""Resolving for another Python than the running one needs no such Python."""


class InstallerError(MldeployError):
    """uv could not do what it was asked to; `cause` is its own explanation."""


def uv(*arguments: str, text: str = "", environment: dict[str, str] | None = None) -> str:
    """What uv prints when run with `arguments` and `text` on its standard input.

    Raises UnreachableError when a package index does not answer, else InstallerError.
    """
    done = subprocess.run(
        [find_uv_bin(), *arguments, "--no-progress"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | (environment or {}),
    )
    if done.returncode == 0:
        return done.stdout
    cause = explanation(done.stderr)
    if any(sign in cause for sign in NO_ANSWER):
        raise UnreachableError(
            "the package index does not answer",
            cause=cause,
            remedy="Packages that were not used before need the network once; try again when it is there.",
        )
    raise InstallerError("uv failed", cause=cause)


def explanation(said: str) -> str:
    """uv's own words for a failure, in one line, without its warnings and hints."""
    error = said[said.rfind("error: ") :].removeprefix("error: ")
    return " ".join(error.partition("\n\nhint:")[0].replace("cause: ", "").split())


def find_python(version: str) -> Path | None:
    """An interpreter of `version`, such as 3.11, on this machine; None where there is none."""
    try:
        found = uv("python", "find", "--no-project", "--system", "--no-python-downloads", version, environment=_paths())
    except InstallerError:
        return None
    return Path(found.strip())


def download_python(version: str) -> Path:
    """An interpreter of `version` that uv downloads and keeps. Raises InstallerError or UnreachableError."""
    uv("python", "install", "--no-bin", version)
    return Path(uv("python", "find", "--no-project", "--managed-python", version).strip())


def lock(
    requirements: Iterable[str],
    constraints: Iterable[str],
    python: str,
    *,
    overrides: str = "",
    platform: str | None = None,
) -> str:
    """Every package with its hashes, for `python` such as 3.11 and, unless it is this machine, `platform`.

    Wheels alone are taken: nothing of a package runs here. Raises InstallerError when the requirements cannot be
    met together, UnreachableError when the index does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="mldeploy-") as folder:
        files = {"constraints": "\n".join(constraints), "overrides": overrides}
        for name, text in files.items():
            Path(folder, name).write_text(text + "\n", encoding="utf-8")
        return uv(
            *("pip", "compile", "-", "--quiet", "--no-header", "--no-annotate", "--generate-hashes"),
            *("--only-binary", ":all:", "--python", sys.executable, "--python-version", python),
            *(("--python-platform", platform) if platform else ()),
            *(part for name in files for part in (f"--{name}", str(Path(folder, name)))),
            text="\n".join(requirements),
            environment=NO_DOWNLOADS,
        )


def make_environment(python: Path, locked: str, folder: Path) -> None:
    """An environment in the empty `folder` of the interpreter `python` with just what `locked` pins."""
    uv("venv", "--quiet", "--no-project", "--allow-existing", "--python", str(python), str(folder))
    (folder / "requirements.lock").write_text(locked, encoding="utf-8")
    uv(
        *("pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *("--python", str(folder / "bin" / "python"), "--requirements", str(folder / "requirements.lock")),
        environment=NO_DOWNLOADS,
    )


def _paths() -> dict[str, str]:
    """The search path with pyenv's versions in it: its shims answer for the chosen ones alone."""
    root = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    folders = [str(folder) for folder in sorted(root.glob("versions/*/bin"), reverse=True)]
    return {"PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), *folders])}
