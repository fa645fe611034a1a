"""Golden rows: a few dozen inputs with the original's answers, asked again in the image and on the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mldeploy.bundle import Golden

if TYPE_CHECKING:
    from mldeploy.model.original import Answers
    from mldeploy.model.rows import Rows

COUNT = 32


def choose_golden(rows: Rows, answers: Answers, classes: list[Any] | None, tolerance: float) -> Golden:
    """About 32 rows of every kind: each class, each missing field, unseen categories, thresholds, extremes."""
    groups: dict[str, list[int]] = {}
    for row in range(len(rows)):
        if row in answers.refused or not _finite_answer(answers, row):
            continue
        origin = rows.origins[row]
        group = f"{origin}={answers.labels[row]}" if origin in ("sample", "drawn") and answers.labels else origin
        groups.setdefault(group, []).append(row)
    chosen: list[int] = []
    depth = 0
    queues = sorted(groups.items(), key=lambda item: _rank(item[0]))
    while len(chosen) < COUNT and any(depth < len(members) for _, members in queues):
        chosen.extend(members[depth] for _, members in queues if depth < len(members))
        depth += 1
    chosen = sorted(chosen[:COUNT])
    return Golden(
        [rows.instance(row) for row in chosen], [prediction(answers, classes, row) for row in chosen], tolerance
    )


def prediction(answers: Answers, classes: list[Any] | None, row: int) -> dict[str, Any]:
    """The original's answer to one row in the shape of `/predict`."""
    if answers.values is not None:
        return {"value": answers.values[row]}
    assert answers.labels is not None and classes is not None  # noqa: S101, PT018
    label = answers.labels[row]
    if answers.probabilities is None:
        return {"label": label}
    probabilities = answers.probabilities[row]
    return {
        "label": label,
        "probability": probabilities[classes.index(label)],
        "probabilities": {class_key(each): value for each, value in zip(classes, probabilities, strict=True)},
    }


def class_key(value: Any) -> str:
    """A class as the key of a JSON object."""
    return str(value)


def _rank(group: str) -> tuple[int, str]:
    order = ("sample", "missing", "unseen", "drawn", "threshold", "category", "extreme", "text")
    kind = group.split(":")[0].split("=")[0]
    return order.index(kind), group


def _finite_answer(answers: Answers, row: int) -> bool:
    numbers = [answers.values[row]] if answers.values is not None else (answers.probabilities or [[]] * (row + 1))[row]
    return all(abs(number) < float("inf") for number in numbers)
