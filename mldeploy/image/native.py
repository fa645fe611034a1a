"""What a native bundle's image holds beside the server: the original's Python and its exact packages."""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mldeploy.cache import kept
from mldeploy.errors import MldeployError
from mldeploy.installer import find_python, make_environment
from mldeploy.model.environment import KEPT_ENVIRONMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.bundle import Bundle
    from mldeploy.image.source import RuntimeSource

OFFICIAL = re.compile(r"(?P<name>.*python):3\.\d+(?P<variant>-.*)?")
"""The names of images that hold the Python which they say."""

OF_ONNX = frozenset({"onnxruntime", "flatbuffers", "protobuf"})
"""What the server needs to run a graph and for nothing else."""


def base_for(bundle: Bundle, base: str) -> str:
    """The base image: the one that is set, or for a native bundle its sibling with the original's Python."""
    native = bundle.manifest.native
    return base if native is None else base_with(native.python, base)


def base_with(python: str, base: str) -> str:
    """The sibling of an official image; an image of another name is taken as it is.

    >>> base_with("3.11", "python:3.13-slim")
    'python:3.11-slim'
    """
    named = OFFICIAL.fullmatch(base)
    return f"{named['name']}:{python}{named['variant'] or ''}" if named else base


@contextmanager
def source_for(bundle: Bundle, source: RuntimeSource) -> Iterator[RuntimeSource]:
    """The runtime as it is, or for a native bundle with the original's packages in place of a graph's."""
    native = bundle.manifest.native
    if native is None:
        yield source
        return
    with TemporaryDirectory(prefix="mldeploy-") as folder:
        requirements = Path(folder) / "requirements.lock"
        requirements.write_text(merged_lock(_lock(bundle), source), encoding="utf-8")
        yield replace(source, requirements=requirements, python=native.python)


def merged_lock(locked: str, source: RuntimeSource) -> str:
    """The original's packages, and what the server needs besides; where both have one, the original's."""
    own = entries(locked)
    server = entries(source.lock.read_text(encoding="utf-8"))
    return "".join((own | {name: text for name, text in server.items() if name not in own.keys() | OF_ONNX}).values())


def entries(locked: str) -> dict[str, str]:
    """The text that pins each package, hashes included, by its name."""
    parts = re.split(r"^(?=[A-Za-z0-9])", locked, flags=re.MULTILINE)
    return {part.partition("==")[0]: part for part in parts if "==" in part}


def server_python(bundle: Bundle, source: RuntimeSource) -> Path:
    """The interpreter of an environment on this machine with what a native bundle's image holds."""
    native = bundle.manifest.native
    assert native is not None  # noqa: S101
    locked = merged_lock(_lock(bundle), source)
    interpreter = find_python(native.python)
    if interpreter is None:
        raise MldeployError(
            f"this machine has no Python {native.python}, under which the original was packaged",
            remedy=f"Install Python {native.python}, or package the model again here.",
        )
    key = hashlib.sha256(f"{native.python}\n{locked}".encode()).hexdigest()[:32]
    made = kept(
        "environments", key, lambda folder: make_environment(interpreter, locked, folder), keep=KEPT_ENVIRONMENTS
    )
    return made / "bin" / "python"


def _lock(bundle: Bundle) -> str:
    return bundle.model_path.with_name("requirements.lock").read_text(encoding="utf-8")
