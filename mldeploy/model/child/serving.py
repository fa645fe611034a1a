"""The original behind a server: the very code that answered in the proof, and no more.

A native bundle carries this module and those that it imports, so that what serves is what was proven.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Callable

import joblib

from .answers import answer_rows, median_seconds, model_input, outputs_of
from .contents import choose_model
from .dialogue import answered
from .kinds import find_family


def open_original(
    path: Path, select: str | None, fields: list[dict[str, Any]]
) -> Callable[[dict[str, list[Any]]], dict[str, list[Any]]]:
    """Load the model; the answer is a function from columns, one list a field, to outputs as `outputs_of` has them.

    `fields` are as in the proof. The file is trusted: it was scanned, and opened, when it was packaged.
    """
    model, family = _load(path, select)
    return lambda columns: outputs_of(model, family, fields, columns)


class Session:
    """What the proof asks of the original in the environment that it will be served in."""

    def __init__(self) -> None:
        self.model: Any = None
        self.family = ""

    def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        return answered({"open": self.open, "answer": self.answer, "time": self.time}, request)

    def open(self, path: str, select: str | None, code: str | None) -> dict[str, Any]:
        if code is not None:
            sys.path.insert(0, code)
        self.model, self.family = _load(Path(path), select)
        return {}

    def answer(self, fields: list[dict[str, Any]], columns: dict[str, list[Any]]) -> dict[str, Any]:
        return answer_rows(self.model, self.family, fields, columns)[1] | {"kind": None}

    def time(
        self, fields: list[dict[str, Any]], columns: dict[str, list[Any]], repeats: int, budget: float
    ) -> dict[str, Any]:
        """The median seconds of the original's predict on these rows."""
        given = model_input(self.model, fields, columns)
        return {"seconds": median_seconds(self.model, self.family, given, repeats, budget)}


def _load(path: Path, select: str | None) -> tuple[Any, str]:
    model = choose_model(path, joblib.load(path), select)
    family = find_family(model)
    if family is None:
        raise TypeError(f"{path.name} holds a {type(model).__name__}, which answers no new rows")
    return model, family
