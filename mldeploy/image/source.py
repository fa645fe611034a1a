"""Where the server's files are: in the installed package, or in the checkout beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mldeploy.errors import MldeployError

PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class RuntimeSource:
    """The runtime as it lies on this machine: `folder` holds the import package and the hash-locked requirements.

    `requirements` is a lock file in their place, for the Python `python`, with what other code needs beside the server.
    """

    folder: Path
    requirements: Path | None = None
    python: str | None = None

    @property
    def package(self) -> Path:
        return self.folder / "mldeploy_runtime"

    @property
    def lock(self) -> Path:
        return self.requirements or self.folder / "requirements.lock"

    def files(self) -> list[Path]:
        """The package's own files, sorted; never caches that an interpreter left there."""
        return sorted(path for path in self.package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def runtime_source() -> RuntimeSource:
    """The runtime that this installation of mldeploy ships.

    Raises MldeployError when the installation lacks it.
    """
    for folder in (PACKAGE / "_runtime", PACKAGE.parent / "runtime"):
        source = RuntimeSource(folder)
        if source.package.is_dir() and source.lock.is_file():
            return source
    raise MldeployError(
        "this installation of mldeploy lacks its server",
        cause=f"neither {PACKAGE / '_runtime'} nor {PACKAGE.parent / 'runtime'} holds it",
        remedy="Install mldeploy again.",
    )
