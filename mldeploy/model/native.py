"""The original, served as it is: in an environment of its exact versions, locked for the Python of its image."""

from __future__ import annotations

import ast
import hashlib
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mldeploy.bundle import Graph, Native, Precision
from mldeploy.cache import kept
from mldeploy.errors import MldeployError, NotProvenError, UnreachableError
from mldeploy.installer import InstallerError, download_python, find_python, lock, make_environment
from mldeploy.model.environment import KEPT_ENVIRONMENTS, NO_GPU
from mldeploy.model.ladder import Answering, Attempt, outcome_of
from mldeploy.model.original import FieldType, Original
from mldeploy.model.parity import Converted, compare
from mldeploy.model.profile import BUDGET_S, REPEATS
from mldeploy.model.scan import modules_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mldeploy.bundle import Bundle
    from mldeploy.model.original import Answers, Package
    from mldeploy.model.process import Child
    from mldeploy.model.rows import Rows

RUNG = "native"
PYTHONS = ("3.13", "3.12", "3.11", "3.14")
"""Those that the server runs on, the preferred one first."""

PLATFORM = "x86_64-manylinux_2_28"
"""For which versions are chosen; the hashes are those of every platform's wheels."""

ALWAYS = frozenset({"joblib", "numpy"})
"""What opens any model file."""

OF_ONNX = ("onnxruntime", "numpy")

CHILD = Path(__file__).parent / "child"
ANSWERING = "serving"
"""The module that answered in the proof: it goes with the bundle, and those that it imports."""


def serve_as_it_is(
    original: Original,
    types: list[FieldType],
    rows: Rows,
    answers: Answers,
    tolerance: float,
    *,
    modules: frozenset[str],
    code: Path | None,
    select: str | None,
    pythons: Sequence[str] = PYTHONS,
    open_child: Callable[..., Child],
) -> tuple[Answering, Attempt, str]:
    """The original in a locked environment, proven there; the attempt for the report; and what it costs.

    `modules` are the packages that it answers by, by the name they are imported under, and `code` a folder of modules
    beside them; `pythons` those that may serve it, the preferred one first. `open_child` opens a process on a Python,
    within the limits that were asked for. Raises MldeployError when none of these Pythons has wheels of these versions,
    NotProvenError when an answer differs there.
    """
    python, locked = lock_for_server(original.packages(), modules | (imports_of(code) if code else set()), pythons)
    environment = _environment(python, locked)
    native = Native(
        file=original.model.name,
        python=python,
        select=select,
        fields=tuple(asdict(each) for each in types),
    )
    with open_child(environment / "bin" / "python", session="serving") as child:
        child.ask(
            do="open", path=str(original.model.resolve()), select=select, code=str(code.resolve()) if code else None
        )
        served = Original(original.model, child.ask, child.folder)
        comparison = compare(rows, answers, converted(served.answer(types, rows)), tolerance)
        comparison = replace(comparison, proof=comparison.proof.model_copy(update={"onnxruntime": None}))
        milliseconds = served.time(types, rows.select([_first_answered(rows, answers)]), REPEATS, BUDGET_S) * 1000
    attempt = Attempt(RUNG, outcome_of(comparison), comparison)
    if not comparison.proof.holds:
        raise NotProvenError(
            f"the original does not answer alike under Python {python}, in which it would be served",
            cause=attempt.outcome,
            remedy="Package it where the same versions run under that Python: --python PATH.",
        )
    cost = (
        f"the original takes {milliseconds:.2g} ms for a row, and its image {_size(environment) / 1e6:.0f} MB of "
        f"packages where ONNX needs {sum(_installed_size(name) for name in OF_ONNX) / 1e6:.0f} MB"
    )
    answering = Answering(
        rung=RUNG,
        model=original.model.read_bytes(),
        graph=_graph(answers),
        comparison=comparison,
        precision=Precision(dtype="float64", reason="the original itself answers"),
        native=native,
        beside={"requirements.lock": locked.encode(), **answering_modules(), **(modules_in(code) if code else {})},
    )
    return answering, attempt, cost


def only_python(version: str) -> tuple[str]:
    """The one Python that runs bytecode saved by Python `version`. MldeployError when the server does not run on it."""
    series = ".".join(version.split(".")[:2])
    if series not in PYTHONS:
        raise MldeployError(
            "the original cannot be served as it is",
            cause=f"it holds bytecode of Python {series}, and the server runs on {', '.join(sorted(PYTHONS))}",
            remedy="Keep the code in a module, save the model again by joblib, and give its folder: --code DIR.",
        )
    return (series,)


def lock_for_server(
    packages: list[Package], modules: frozenset[str], pythons: Sequence[str] = PYTHONS
) -> tuple[str, str]:
    """The Python for those of the packages that hold `modules`, and all that they need, with hashes.

    Every version is that of `packages`, where it is among them. Raises MldeployError when none of `pythons` has wheels.
    """
    pins = {package.name: f"{package.name}=={package.version}" for package in packages}
    wanted = [pins[package.name] for package in packages if (modules | ALWAYS) & set(package.modules)]
    found = {version: find_python(version) for version in pythons}
    failures = []
    for python in sorted(pythons, key=lambda python: found[python] is None):
        try:
            return python, lock(wanted, pins.values(), python, overrides=NO_GPU, platform=PLATFORM)
        except InstallerError as failure:
            failures.append(f"Python {python}: {failure.cause}")
    raise MldeployError(
        "the original cannot be served as it is",
        cause=f"no Python that may serve it has wheels of its versions: {'; '.join(failures)}",
        remedy="Fit and save it again with a newer version of what is named.",
    )


@contextmanager
def opened(bundle: Bundle, open_child: Callable[..., Child]) -> Iterator[Callable[[Rows], Converted]]:
    """What a native bundle answers to rows on this machine, in its own environment."""
    native = bundle.manifest.native
    assert native is not None  # noqa: S101
    folder = bundle.model_path.parent
    environment = _environment(native.python, (folder / "requirements.lock").read_text(encoding="utf-8"))
    types = [FieldType(**each) for each in native.fields]
    with open_child(environment / "bin" / "python", session="serving") as child:
        code = folder / "code"
        served = _open(bundle.model_path, child, native.select, code if code.is_dir() else None)
        yield lambda rows: converted(served.answer(types, rows))


def converted(answers: Answers) -> Converted:
    """Answers as those of a graph; rows that were refused hold NaN."""
    return Converted(
        answers.labels, _array(answers.probabilities), _array(answers.values), _array(answers.scores), answers.refused
    )


def _open(model: Path, child: Child, select: str | None, code: Path | None) -> Original:
    child.ask(do="open", path=str(model.resolve()), select=select, code=str(code.resolve()) if code else None)
    return Original(model, child.ask, child.folder)


def _environment(python: str, locked: str) -> Path:
    """The folder of the environment that `locked` pins, made once."""
    key = hashlib.sha256(f"{python}\n{locked}".encode()).hexdigest()[:32]

    def make(folder: Path) -> None:
        make_environment(find_python(python) or _downloaded(python), locked, folder)

    return kept("environments", key, make, keep=KEPT_ENVIRONMENTS)


def _downloaded(python: str) -> Path:
    try:
        return download_python(python)
    except (InstallerError, UnreachableError) as failure:
        raise MldeployError(
            f"this machine has no Python {python}, under which the original is to be proven and served",
            cause=failure.cause,
            remedy=f"Install Python {python}.",
        ) from failure


def imports_of(code: Path) -> frozenset[str]:
    """The top-level names that the modules of a folder import, anywhere in them."""
    found = set()
    for path in code.rglob("*.py"):
        for node in ast.walk(_parsed(path)):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return frozenset(found)


def _parsed(path: Path) -> ast.AST:
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        # Another Python's, or no module at all: nothing imports it here.
        return ast.Module(body=[], type_ignores=[])


def _first_answered(rows: Rows, answers: Answers) -> int:
    return next(row for row in range(len(rows)) if answers.can_be_compared(row))


def _graph(answers: Answers) -> Graph:
    return Graph(
        tensors=(),
        label=None if answers.labels is None else "label",
        probabilities=None if answers.probabilities is None else "probabilities",
        value=None if answers.values is None else "value",
        score=None if answers.scores is None else "score",
    )


def answering_modules() -> dict[str, bytes]:
    """The code that asks the original, by its path below native/."""
    files = [CHILD / "__init__.py"]
    waiting = [ANSWERING]
    while waiting:
        path = CHILD / f"{waiting.pop()}.py"
        if path in files:
            continue
        files.append(path)
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ImportFrom) and node.level:
                waiting += [node.module] if node.module else [alias.name for alias in node.names]
    return {f"mldeploy_child/{path.name}": path.read_bytes() for path in sorted(files)}


def modules_in(code: Path) -> dict[str, bytes]:
    """The modules in the folder, and all that lies in its packages."""
    within = [path for name in modules_of(code) for path in (code / name).rglob("*")]
    files = [path.relative_to(code) for path in (*code.glob("*.py"), *within) if path.is_file()]
    kept = [path for path in files if not any(part.startswith((".", "__pycache__")) for part in path.parts)]
    return {f"code/{path.as_posix()}": (code / path).read_bytes() for path in sorted(kept)}


def _array(values: list[Any] | None) -> Any:
    if values is None:
        return None
    first = next((value for value in values if value is not None), np.nan)
    return np.array([np.full_like(first, np.nan, dtype=np.float64) if each is None else each for each in values], float)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("lib/**/*") if path.is_file())


def _installed_size(name: str) -> int:
    files = metadata.distribution(name).files or ()
    return sum(file.size or 0 for file in files)
