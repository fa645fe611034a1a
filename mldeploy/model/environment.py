"""The environment of a model: the versions that its file records, with what goes with them, made by uv and kept."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING

from mldeploy.cache import kept
from mldeploy.errors import MldeployError, UnreachableError, UsageError
from mldeploy.installer import InstallerError, download_python, find_python, lock, make_environment
from mldeploy.model.companions import CONVERTER, release, series_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from mldeploy.model.scan import Names

DISTRIBUTIONS = {
    "sklearn": ("scikit-learn",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "lightgbm": ("lightgbm",),
    "catboost": ("catboost",),
    "imblearn": ("imbalanced-learn",),
    "category_encoders": ("category-encoders",),
    "cloudpickle": ("cloudpickle",),
}
"""The libraries that a model may be made of, by the name they are imported under, as the index knows them."""

ALWAYS = ("numpy", "scipy", "pandas", "joblib", "onnx", "protobuf")
"""What the child process needs, and what any fitted model may hold."""

PYTHONS = ("3.13", "3.12", "3.11", "3.10", "3.9")
"""What to try for a scikit-learn that companions.toml does not know."""

NO_GPU = "nvidia-nccl-cu12; sys_platform == 'never'\n"
"""xgboost's wheels ask for 300 MB that only several graphics cards use."""

VERSION = re.compile(r"\d+(\.\d+)*(\.?[a-z]+\d+)*")
"""What may stand behind a package's name when it is asked for: the text comes from the file."""

KEPT_ENVIRONMENTS = 8


@dataclass(frozen=True)
class Needs:
    """The libraries that a file uses, by the name they are imported under; those in `versions` at just this version.

    `extra` is the text of a requirements file that comes on top.
    """

    libraries: frozenset[str]
    versions: dict[str, str] = field(default_factory=dict)
    extra: str = ""

    @property
    def pins(self) -> dict[str, str]:
        """The recorded versions by the name the index knows."""
        return {DISTRIBUTIONS[library][0]: version for library, version in self.versions.items()}


def needs_of(path: Path, names: Names, requirements: Path | None = None) -> Needs:
    """What the file at `path`, whose names the scan found, needs.

    UsageError when the version that it records of a library is none, or there are several.
    """
    for library, versions in names.versions.items():
        for version in versions:
            if not VERSION.fullmatch(version):
                raise UsageError(
                    f"{path.name} is damaged or hostile",
                    cause=f"it says that {DISTRIBUTIONS[library][0]} {version[:40]!r} saved it, which is no version",
                    remedy="Package a file whose origin you trust.",
                )
        if len(versions) > 1:
            raise UsageError(
                f"{path.name} holds parts saved by several versions of {DISTRIBUTIONS[library][0]}",
                cause=", ".join(sorted(versions, key=release)),
                remedy="Fit and save it again as a whole.",
            )
    return Needs(
        names.packages & DISTRIBUTIONS.keys(),
        {library: next(iter(versions)) for library, versions in names.versions.items()},
        _read(requirements) if requirements else "",
    )


def meets(needs: Needs) -> bool:
    """Whether the running environment has all that is needed, in the versions that are needed."""
    if needs.extra:
        return False
    for library in needs.libraries | needs.versions.keys():
        installed = _installed(library)
        if installed is None or installed != needs.versions.get(library, installed):
            return False
    return True


def find_environment(needs: Needs, tell: Callable[[str, str], None]) -> Path:
    """The Python of the environment that `needs` ask for: made once, then found again without a network.

    Two processes may ask at the same time. `tell` hears of an environment that has to be made. Raises
    UnreachableError when the package index does not answer, MldeployError when there is no such environment.
    """
    request = request_of(needs)
    key = hashlib.sha256(json.dumps(asdict(request), sort_keys=True).encode()).hexdigest()[:32]

    def make(folder: Path) -> None:
        version = _make(request, folder)
        tell(f"made an environment with Python {version}", _shown(request.requirements))

    python = kept("environments", key, make, keep=KEPT_ENVIRONMENTS) / "bin" / "python"
    if not python.exists():
        raise MldeployError(
            "the model's environment has lost its Python",
            cause=f"{python} leads to {python.readlink()}, which is gone",
            remedy=f"Remove {python.parent.parent}: it is made again.",
        )
    return python


@dataclass(frozen=True)
class Request:
    """All that decides what an environment holds."""

    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    pythons: tuple[str, ...]
    extra: str
    machine: str = f"{platform.system()} {platform.machine()}"


def request_of(needs: Needs) -> Request:
    """What makes the environment: the needed libraries, and constraints that choose what goes with them."""
    pins = needs.pins
    series = series_of(pins)
    converts = (CONVERTER,) if series is None or series.converts else ()
    wanted = {DISTRIBUTIONS[library][0] for library in needs.libraries} | {"scikit-learn", *ALWAYS, *converts}
    constraints = series.pins if series else ()
    if series and "scikit-learn" not in pins:
        pins["scikit-learn"] = series.latest
    return Request(
        tuple(sorted(f"{name}=={pins[name]}" if name in pins else name for name in wanted)),
        tuple(pin for pin in constraints if pin.partition("==")[0] not in pins),
        series.pythons if series else PYTHONS,
        needs.extra,
    )


def _make(request: Request, folder: Path) -> str:
    """Fill `folder` for the first Python that has all wheels, which is the answer; those on this machine go first."""
    found = {version: find_python(version) for version in request.pythons}
    failures: dict[str, str] = {}
    for version in sorted(request.pythons, key=lambda version: found[version] is None):
        try:
            locked = lock([*request.requirements, request.extra], request.constraints, version, overrides=NO_GPU)
        except InstallerError as failure:
            failures[version] = failure.cause
            continue
        make_environment(found[version] or _downloaded(version, request), locked, folder)
        return version
    raise MldeployError(
        f"no environment can be made with {_shown(request.requirements)}",
        cause="; ".join(f"Python {version}: {cause}" for version, cause in failures.items()),
        remedy="Name the Python of an environment where the model opens: --python PATH (with numpy and onnx).",
    )


def _downloaded(version: str, request: Request) -> Path:
    try:
        return download_python(version)
    except (InstallerError, UnreachableError) as failure:
        raise MldeployError(
            f"this machine has no Python {version}, which {_shown(request.requirements)} needs",
            cause=f"none of {', '.join(request.pythons)} is installed, and none could be downloaded: {failure.cause}",
            remedy=f"Install Python {version}, or name the Python of an environment where the model opens: "
            "--python PATH (with numpy and onnx).",
        ) from failure


def _shown(requirements: Iterable[str]) -> str:
    return ", ".join(each.replace("==", " ") for each in requirements if "==" in each)


def _installed(library: str) -> str | None:
    for name in DISTRIBUTIONS[library]:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _read(requirements: Path) -> str:
    try:
        return requirements.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise UsageError(f"the requirements {requirements} cannot be read", cause=str(failure)) from failure
