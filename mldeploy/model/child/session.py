"""What the child can be asked: open a model file, answer rows, convert."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from . import rungs
from .allowed import Allowed
from .answers import answer_rows, median_seconds, model_input
from .dialogue import answered
from .facts import find_facts
from .opening import installed_versions, loaded_packages, open_model

if TYPE_CHECKING:
    from .kinds import Kind


class Session:
    """One opened model. Each request names what to do; each answer is a JSON object."""

    def __init__(self) -> None:
        self.model: Any = None
        self.family = ""
        self.kind: Kind | None = None

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        actions: dict[str, Callable[..., dict[str, Any]]] = {
            "open": self.open,
            "answer": self.answer,
            "time": self.time,
            "convert": self.convert,
            "packages": self.packages,
        }
        return answered(actions, request)

    def open(
        self,
        path: str,
        packages: list[str],
        names: list[str],
        versions: dict[str, str] | None = None,
        code: str | None = None,
        select: str | None = None,
    ) -> dict[str, Any]:
        """Load the file; answer what it is, and the fields with what the fitted steps say of them.

        Nothing is imported for it but what belongs to `packages`, or is one of `names`. The libraries in `versions`
        must be at these versions; `code` is a folder of modules of its own, and `select` the name of one of the
        models in it.
        """
        opened = open_model(Path(path), Allowed(frozenset(packages), frozenset(names)), versions or {}, code, select)
        self.model, self.family = opened.model, opened.family
        return {
            "estimator": opened.description,
            "named": opened.names is not None,
            "fields": find_facts(opened.model, opened.names, opened.width),
            "versions": installed_versions(opened.model),
        }

    def answer(self, fields: list[dict[str, Any]], columns: dict[str, list[Any]]) -> dict[str, Any]:
        """The original's answers, one list an output, which rows it refuses and why, and the kind of the model.

        How it answers is what tells its kind: null until it has answered a row.
        """
        kind, answers = answer_rows(self.model, self.family, fields, columns)
        self.kind = kind or self.kind
        return {**answers, "kind": None if self.kind is None else asdict(self.kind)}

    def time(
        self, fields: list[dict[str, Any]], columns: dict[str, list[Any]], repeats: int, budget: float
    ) -> dict[str, Any]:
        """The median seconds of the original's predict on these rows."""
        given = model_input(self.model, fields, columns)
        return {"seconds": median_seconds(self.model, self.family, given, repeats, budget)}

    def convert(self, rung: str, fields: list[dict[str, Any]], into: str) -> dict[str, Any]:
        """Write the ONNX file; answer {"graph": how fields map onto it} or {"failed": why}."""
        if self.kind is None:
            return {"failed": "the original has answered no row, so what it gives is not known"}
        return rungs.convert(rung, self.model, self.kind, fields, Path(into))

    def packages(self) -> dict[str, Any]:
        """The packages that are loaded, after the model has answered."""
        return {"packages": loaded_packages()}
