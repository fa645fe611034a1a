"""The original model, asked through the process that holds it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from mldeploy.bundle import Outputs
from mldeploy.model.names import PACKAGES, STANDARD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mldeploy.bundle import Task
    from mldeploy.model.rows import Rows


@dataclass(frozen=True)
class Described:
    """What the opened model says of itself. `fields` are the facts that its fitted steps hold on each field."""

    estimator: str
    named: bool
    fields: list[dict[str, Any]]
    versions: dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """The original's answers, of row i `labels[i]`, `probabilities[i]`, `values[i]` and `scores[i]`, as its task has.

    With several outputs a label and a value are lists, one entry an output, and the probabilities those of all
    outputs side by side. `refused` maps the number of a row that the original would not answer to its reason;
    when it answered none, `task` is None. `undecided` are rows whose answer hangs on the order of the training rows.
    """

    task: Task | None
    outputs: Outputs
    labels: list[Any] | None
    probabilities: list[list[float]] | None
    values: list[Any] | None
    scores: list[float] | None
    refused: dict[int, str]
    undecided: frozenset[int] = frozenset()

    def can_be_compared(self, row: int) -> bool:
        """Whether the original gave an answer that follows from what it learned."""
        return row not in self.refused and row not in self.undecided

    def select(self, rows: Sequence[int]) -> Answers:
        """The answers to these rows, in this order."""

        def picked(values: list[Any] | None) -> list[Any] | None:
            return None if values is None else [values[row] for row in rows]

        return replace(
            self,
            labels=picked(self.labels),
            probabilities=picked(self.probabilities),
            values=picked(self.values),
            scores=picked(self.scores),
            refused={place: self.refused[row] for place, row in enumerate(rows) if row in self.refused},
            undecided=frozenset(place for place, row in enumerate(rows) if row in self.undecided),
        )


@dataclass(frozen=True)
class Package:
    """An installed package, and the names it is imported under."""

    name: str
    version: str
    modules: list[str]


@dataclass(frozen=True)
class FieldType:
    """How one field is handed to the original: its dtype, and whether None or NaN stands for a missing string.

    `categories` are those of a column that the original takes as pandas' categories.
    """

    name: str
    dtype: str
    missing_is_none: bool
    categories: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class Original:
    """Questions to the model in the file `model`; `ask` carries them, `folder` is where it may write."""

    model: Path
    ask: Callable[..., dict[str, Any]]
    folder: Path

    def open(
        self,
        trust: Sequence[str] = (),
        versions: dict[str, str] | None = None,
        code: Path | None = None,
        select: str | None = None,
    ) -> Described:
        """Load the file. UsageError says what is wrong with it.

        `trust` names code that it may bring, `versions` what the libraries must be at, by the name they are imported
        under; `code` is a folder of modules, and `select` the name of one of several models.
        """
        return Described(
            **self.ask(
                do="open",
                path=str(self.model.resolve()),
                packages=sorted({*PACKAGES, *(name.partition(".")[0] for name in trust)}),
                names=sorted({*STANDARD, *trust}),
                versions=versions or {},
                code=str(code.resolve()) if code else None,
                select=select,
            )
        )

    def answer(self, types: list[FieldType], rows: Rows) -> Answers:
        """What the original answers to `rows`, and which of them it refuses."""
        answer = self.ask(do="answer", fields=_plain(types), columns=rows.columns)
        given, kind = answer["outputs"], answer["kind"] or {"task": None}
        return Answers(
            task=kind.pop("task"),
            outputs=Outputs.model_validate(kind),
            labels=given.get("labels"),
            probabilities=_numbers(given.get("probabilities")),
            values=_numbers(given.get("values")),
            scores=_numbers(given.get("scores")),
            refused={int(row): reason for row, reason in answer["refused"].items()},
            undecided=frozenset(answer["undecided"]),
        )

    def packages(self) -> list[Package]:
        """The packages that are loaded where the model has answered."""
        return [Package(**each) for each in self.ask(do="packages")["packages"]]

    def time(self, types: list[FieldType], rows: Rows, repeats: int, budget_s: float) -> float:
        """The median of the seconds that the original takes to answer `rows` at once, within a budget for all."""
        request = {"fields": _plain(types), "columns": rows.columns, "repeats": repeats, "budget": budget_s}
        return float(self.ask(do="time", **request)["seconds"])

    def convert(self, rung: str, types: list[FieldType]) -> tuple[bytes, dict[str, Any]] | str:
        """The ONNX file of one rung and how the fields map onto it, or why there is none."""
        target = self.folder / "model.onnx"
        answer = self.ask(do="convert", rung=rung, fields=_plain(types), into=str(target))
        if "failed" in answer:
            return str(answer["failed"])
        return target.read_bytes(), answer["graph"]


def _plain(types: list[FieldType]) -> list[dict[str, Any]]:
    return [asdict(each) for each in types]


def _numbers(values: Any) -> Any:
    """JSON has no infinities: they travel as text."""
    if isinstance(values, list):
        return [_numbers(value) for value in values]
    return float(values) if isinstance(values, str) else values
