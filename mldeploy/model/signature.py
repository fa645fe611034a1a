"""The signature: each field's dtype, categories, range, and what the original refuses in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mldeploy.bundle import Input, Unknown
from mldeploy.errors import MldeployError, UsageError
from mldeploy.model.original import FieldType
from mldeploy.model.probes import TEXTS
from mldeploy.model.rows import rows_of

if TYPE_CHECKING:
    from mldeploy.model.original import Described, Original
    from mldeploy.model.rows import Value
    from mldeploy.model.sample import DType, Sample

MAX_WORDS = 200
UNSEEN = "(never seen in training)"


@dataclass(frozen=True)
class Field:
    """One field and what is known to make rows for it. `usual` is a value that the model takes.

    `thresholds` are numbers around which the model answers otherwise, `words` what its texts are made of.
    """

    name: str
    dtype: DType
    usual: Value
    minimum: float | None = None
    maximum: float | None = None
    spread: float = 1.0
    categories: tuple[Any, ...] | None = None
    thresholds: tuple[float, ...] = ()
    words: tuple[str, ...] = ()
    missing_is_none: bool = False
    categorical: bool = False
    closed: bool = False
    nullable: bool = False
    takes_unknown: bool = True

    def type(self) -> FieldType:
        return FieldType(
            self.name, self.dtype, self.missing_is_none, categories=self.categories if self.categorical else None
        )

    def input(self, unknown: Unknown) -> Input:
        """The field as the bundle's contract states it; `unknown` is what an unseen category means, if it is taken."""
        return Input(
            name=self.name,
            dtype=self.dtype,
            nullable=self.nullable,
            minimum=self.minimum,
            maximum=self.maximum,
            categories=self.categories,
            unknown=None if self.categories is None else unknown if self.takes_unknown else "reject",
        )

    def unseen(self) -> Value:
        """A value outside the categories; None where there is none of this dtype."""
        if self.categories is None or self.dtype == "bool":
            return None
        if self.dtype == "string":
            return UNSEEN
        top = max(self.categories, default=0) + 1
        return int(top) if self.dtype == "int" else float(top)


def infer_fields(described: Described, sample: Sample | None) -> tuple[list[Field], list[str]]:
    """The fields in the model's order, and what had to be assumed, as sentences."""
    notes = []
    facts = described.fields
    if sample is not None:
        facts = _respelled(facts, sample)
    if not described.named:
        facts, note = _name_fields(facts, sample)
        notes.append(note)
    if sample is not None:
        _require_columns([fact["name"] for fact in facts], sample)
    _require_servable([fact["name"] for fact in facts])
    fields = [_field(fact, sample) for fact in facts]
    if sample is None:
        guessed = [field.name for field, fact in zip(fields, facts, strict=True) if _tells_nothing(fact)]
        if guessed:
            notes.append(f"no sample given, so taken to be any number: {', '.join(guessed)}")
        wordless = [fact["name"] for fact in facts if _is_free_text(fact) and not fact["words"]]
        if wordless:
            notes.append(
                f"no sample given, and no words kept, so proven on a few odd texts only: {', '.join(wordless)}"
            )
    return fields, notes


def ask_what_is_refused(original: Original, fields: list[Field], sample: Sample | None) -> list[Field]:
    """Ask the original, field by field, whether it takes a missing value and an unseen category."""
    base = _accepted_row(original, fields, sample)
    rows, origins = [], []
    for field in fields:
        rows.append({**base, field.name: None})
        origins.append(f"missing: {field.name}")
        if field.unseen() is not None:
            rows.append({**base, field.name: field.unseen()})
            origins.append(f"unseen: {field.name}")
    names = [field.name for field in fields]
    answers = original.answer([field.type() for field in fields], rows_of(rows, origins, names))
    refused = {origins[row] for row in answers.refused}
    return [
        replace(
            field,
            nullable=f"missing: {field.name}" not in refused,
            takes_unknown=f"unseen: {field.name}" not in refused and field.dtype != "bool" and not field.closed,
        )
        for field in fields
    ]


def _accepted_row(original: Original, fields: list[Field], sample: Sample | None) -> dict[str, Value]:
    """A row that the original answers: one of the sample's, else one of usual values."""
    names = [field.name for field in fields]
    candidates = [{field.name: field.usual for field in fields}]
    if sample is not None:
        candidates += [{name: sample.columns[name][row] for name in names} for row in range(min(len(sample), 100))]
    answers = original.answer(
        [field.type() for field in fields], rows_of(candidates, ["usual"] * len(candidates), names)
    )
    for row, candidate in enumerate(candidates):
        if row not in answers.refused:
            return candidate
    raise MldeployError(
        "the original model answers no row",
        cause=next(iter(answers.refused.values())).splitlines()[0],
        remedy="Give rows that it was trained on: --sample data.parquet (Parquet keeps the types)."
        if sample is None
        else "Check that the sample holds the columns and types that the model was trained on.",
    )


def _respelled(facts: list[dict[str, Any]], sample: Sample) -> list[dict[str, Any]]:
    """The sample's own names, where the model keeps them with `_` for each space, as LightGBM does."""
    kept = {name.replace(" ", "_"): name for name in sample.columns}
    if len(kept) < len(sample.columns):
        return facts
    return [{**fact, "name": kept.get(fact["name"], fact["name"])} for fact in facts]


def _name_fields(facts: list[dict[str, Any]], sample: Sample | None) -> tuple[list[dict[str, Any]], str]:
    names = [fact["name"] for fact in facts]
    if sample is not None and not set(names) <= set(sample.columns):
        if len(sample.columns) != len(facts):
            raise UsageError(
                f"the sample {sample.path.name} does not fit the model",
                cause=f"the model keeps no feature names and takes {len(facts)} columns; "
                f"the sample has {len(sample.columns)}",
                remedy="Give just the columns that the model was trained on, in that order.",
            )
        named = [{**fact, "name": name} for fact, name in zip(facts, sample.columns, strict=True)]
        return named, "the model keeps no feature names: taken from the sample, in its order"
    called = f"its field is called {names[0]}"
    if len(names) > 1:
        called = f"its fields are called {names[0]} to {names[-1]}, in its order"
    return facts, f"the model keeps no feature names: {called}"


def _require_servable(names: list[str]) -> None:
    """Refuse names that a strict JSON decoder cannot have as keys, before a server would."""
    strange = [name for name in names if not name or any(sign in '"\\' or ord(sign) < 0x20 for sign in name)]
    if strange:
        raise UsageError(
            f"the field {strange[0]!r} cannot be served",
            cause="a field's name is a key of the request: it may hold neither a double quote, a backslash nor a "
            "control character, and is not empty",
            remedy="Rename the column and train the model again.",
        )


def _require_columns(names: list[str], sample: Sample) -> None:
    missing = [name for name in names if name not in sample.columns]
    if not missing:
        return
    extra = [name for name in sample.columns if name not in names]
    raise UsageError(
        f"the sample {sample.path.name} does not fit the model",
        cause=f"missing: {', '.join(missing)}" + (f"; not of the model: {', '.join(extra)}" if extra else ""),
        remedy="Give the columns that the model was trained on, under the same names.",
    )


def _tells_nothing(fact: dict[str, Any]) -> bool:
    known = ("categories", "low", "center")
    return not fact["text"] and not fact["thresholds"] and all(fact[key] is None for key in known)


def _is_free_text(fact: dict[str, Any]) -> bool:
    return bool(fact["text"]) and fact["categories"] is None


def _field(fact: dict[str, Any], sample: Sample | None) -> Field:
    values: list[Any] = [value for value in sample.columns[fact["name"]] if value is not None] if sample else []
    dtype = _dtype(fact, sample.dtypes[fact["name"]] if sample else None)
    field = Field(
        name=fact["name"],
        dtype=dtype,
        usual=None,
        categories=None if fact["categories"] is None else tuple(fact["categories"]),
        missing_is_none=fact["missing_is_none"],
        categorical=fact["categorical"],
        closed=fact["closed"],
        words=tuple(fact["words"]) or (_words(values) if _is_free_text(fact) else ()),
    )
    if dtype == "string":
        return replace(field, usual=_most_common(values) or (field.categories or ("text",))[0])
    if dtype == "bool":
        return replace(field, usual=bool(_most_common(values) or False))
    thresholds = tuple(fact["thresholds"])
    low, high = (min(values), max(values)) if values else (fact["low"], fact["high"])
    spread = (high - low) / 4 if low is not None and high > low else fact["spread"] or _spread(thresholds)
    middle = sorted(values)[len(values) // 2] if values else _middle(fact, thresholds, low, high)
    if field.categories:
        middle = field.categories[0] if middle not in field.categories else middle
    return replace(
        field,
        usual=int(middle) if dtype == "int" else float(middle),
        minimum=None if low is None else float(low),
        maximum=None if high is None else float(high),
        spread=float(spread),
        thresholds=thresholds,
    )


def _dtype(fact: dict[str, Any], seen: DType | None) -> DType:
    """What the fitted steps prove goes before what the sample looks like."""
    if fact["text"]:
        return "string"
    if fact["boolean"]:
        return "bool"
    if seen is not None:
        return seen
    if fact["categories"] and all(isinstance(value, int) for value in fact["categories"]):
        return "int"
    return "float"


def _words(texts: list[str]) -> tuple[str, ...]:
    """Some of the words of a sample's texts, for a model that keeps none; without a sample, those of odd texts."""
    words = sorted({word for text in texts or TEXTS for word in text.split()})
    return tuple(words[:: math.ceil(len(words) / MAX_WORDS) or 1])


def _most_common(values: list[Any]) -> Any:
    return max(sorted(set(values)), key=values.count) if values and len(set(values)) < 1000 else (values or [None])[0]


def _spread(thresholds: tuple[float, ...]) -> float:
    return (thresholds[-1] - thresholds[0]) / 2 or 1.0 if thresholds else 1.0


def _middle(fact: dict[str, Any], thresholds: tuple[float, ...], low: Any, high: Any) -> float:
    if fact["center"] is not None:
        return float(fact["center"])
    if low is not None:
        return float(low + high) / 2
    return thresholds[len(thresholds) // 2] if thresholds else 0.0
