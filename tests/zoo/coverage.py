"""Which estimators the zoo's cases are made of, beside those that have an emitter.

`python -m tests.zoo.coverage` writes the table of docs/estimators.md.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mldeploy
from mldeploy.model.child.emit.registry import written
from tests.zoo.cases import all_cases

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(mldeploy.__file__).parents[1] / "docs" / "estimators.md"
INTRODUCTION = """# Estimators that have an emitter, and the cases that hold them to it

Written by `python -m tests.zoo.coverage` from the emitter's registry and the zoo (`tests/zoo`). A case trains a model
with the estimator in it, packages it, and compares its answers to rows that the proof did not use;
`python -m tests.zoo CASE` runs it. [models.md](models.md) says how a model is converted, and what that proves.

| estimator | as ONNX | a case |
| --- | --- | --- |
"""


def estimators_page() -> str:
    """A table of every estimator that has an emitter, or a reason why it can have none."""
    return INTRODUCTION + "".join(_row(path, *found) for path, found in sorted(cases_by_estimator().items()))


@cache
def cases_by_estimator() -> dict[str, tuple[list[str], list[str]]]:
    """For each public estimator with an emitter the names of the cases that convert, and of those refused for it."""
    public = [path for path in written() if not path.startswith("mldeploy.") and ":_" not in path]
    paths = {_class_at(path): path for path in public}
    found: dict[str, tuple[list[str], list[str]]] = {path: ([], []) for path in paths.values()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, case in all_cases().items():
            for kind in {type(part) for part in _parts(case.model())} & paths.keys():
                found[paths[kind]][bool(case.refused)].append(name)
    return found


def _row(path: str, converted: list[str], refused: list[str]) -> str:
    module, _, name = path.partition(":")
    public = ".".join(part for part in module.split(".") if not part.startswith("_"))
    outcome = "no, and says why" if refused and not converted else "yes"
    return f"| {public}.{name} | {outcome} | {min(converted or refused, default='none')} |\n"


def _parts(model: Any) -> Iterator[Any]:
    """A model and all that it is put together from; a case may wrap it to fit it in its own way."""
    if isinstance(model, (list, tuple)):
        for each in model:
            yield from _parts(each)
    elif type(model).__module__.startswith("tests."):
        yield from _parts(list(vars(model).values()))
    elif hasattr(model, "get_params") and not isinstance(model, type):
        yield model
        yield from _parts(list(model.get_params(deep=False).values()))


def _class_at(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(module), name)


if __name__ == "__main__":
    PAGE.write_text(estimators_page(), encoding="utf-8")
