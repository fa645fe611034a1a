"""In which form a model takes its rows: a table, texts, or records (dictionaries)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXTS = frozenset({"CountVectorizer", "HashingVectorizer", "TfidfVectorizer"})
RECORDS = frozenset({"DictVectorizer"})
TEXT_FIELD = "text"


def takes_texts(model: Any) -> bool:
    """Whether the model takes a list of texts."""
    names = {type(step).__name__ for step in _first_steps(model)}
    return bool(names) and names <= TEXTS


def record_names(model: Any) -> list[str] | None:
    """The keys of the dictionaries that the model takes; None where it takes none."""
    steps = list(_first_steps(model))
    return list(record_fields(steps[0])) if {type(step).__name__ for step in steps} <= RECORDS else None


def record_fields(vectorizer: Any) -> dict[str, list[str] | None]:
    """The keys that a DictVectorizer knows, each with its words, or None where its values are numbers."""
    fields: dict[str, list[str] | None] = {}
    for name in vectorizer.feature_names_:
        key, separator, word = str(name).partition(vectorizer.separator)
        words = fields.setdefault(key, [] if separator else None)
        if words is not None:
            words.append(word)
    return fields


def records(names: list[str], columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Rows as dictionaries, without what is missing in them."""
    rows = zip(*(columns[name] for name in names))
    return [{name: value for name, value in zip(names, row) if value is not None} for row in rows]


def _first_steps(model: Any) -> Iterator[Any]:
    if hasattr(model, "steps"):
        yield from _first_steps(model.steps[0][1])
    elif hasattr(model, "transformer_list"):
        for _, member in model.transformer_list:
            yield from _first_steps(member)
    elif getattr(model, "calibrated_classifiers_", None):
        yield from _first_steps(model.calibrated_classifiers_[0].estimator)
    else:
        inner = getattr(model, "best_estimator_", getattr(model, "estimator_", None))
        yield from [model] if inner is None else _first_steps(inner)
