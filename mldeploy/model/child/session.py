"""What the child can be asked: open a model file, answer rows, convert."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from . import rungs
from .allowed import Allowed
from .answers import answer_rows, median_seconds, model_input
from .facts import find_facts
from .opening import Unusable, open_model, versions


class Session:
    """One opened model. Each request names what to do; each answer is a JSON object.

    What the person can put right comes back as {"unusable": message, "cause", "remedy"}.
    """

    def __init__(self) -> None:
        self.model: Any = None
        self.task = ""

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        actions: dict[str, Callable[..., dict[str, Any]]] = {
            "open": self.open,
            "answer": self.answer,
            "time": self.time,
            "convert": self.convert,
        }
        try:
            return actions[request.pop("do")](**request)
        except Unusable as problem:
            return {"unusable": problem.message, "cause": problem.cause, "remedy": problem.remedy}

    def open(self, path: str, packages: list[str], names: list[str]) -> dict[str, Any]:
        """Load the file; answer the task, the classes, the fields with what the fitted steps say of them.

        Nothing is imported for it but what belongs to `packages`, or is one of `names`.
        """
        opened = open_model(Path(path), Allowed(frozenset(packages), frozenset(names)))
        self.model, self.task = opened.model, opened.task
        return {
            "estimator": opened.description,
            "task": opened.task,
            "classes": opened.classes,
            "named": opened.names is not None,
            "fields": find_facts(opened.model, opened.names, opened.width),
            "versions": versions(opened.model),
        }

    def answer(self, fields: list[dict[str, Any]], columns: dict[str, list[Any]]) -> dict[str, Any]:
        """The original's answers, one list an output, and which rows it refuses and why."""
        return answer_rows(self.model, self.task, fields, columns)

    def time(self, fields: list[dict[str, Any]], columns: dict[str, list[Any]], repeats: int) -> dict[str, Any]:
        """The median seconds of the original's predict on these rows."""
        return {"seconds": median_seconds(self.model, self.task, model_input(self.model, fields, columns), repeats)}

    def convert(self, rung: str, fields: list[dict[str, Any]], into: str) -> dict[str, Any]:
        """Write the ONNX file; answer {"graph": how fields map onto it} or {"failed": why}."""
        return rungs.convert(rung, self.model, self.task, fields, Path(into))
