"""Golden rows: a few dozen inputs with the original's answers, asked again in the image and on the host."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from mldeploy.bundle import Golden

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from mldeploy.model.original import Answers
    from mldeploy.model.rows import Rows

COUNT = 32


def choose_golden(rows: Rows, answers: Answers, tolerance: float, refused: Container[int] = ()) -> Golden:
    """About 32 rows of every kind: each class, each missing field, unseen categories, thresholds, extremes.

    The server would not take the rows `refused`.
    """
    groups: dict[str, list[int]] = {}
    for row in range(len(rows)):
        if row in refused or not answers.can_be_compared(row) or not _finite_answer(answers, row):
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
    return Golden([rows.instance(row) for row in chosen], [prediction(answers, row) for row in chosen], tolerance)


def prediction(answers: Answers, row: int) -> dict[str, Any]:
    """The original's answer to one row in the shape of `/predict`."""
    label = None if answers.labels is None else answers.labels[row]
    shares = None if answers.probabilities is None else answers.probabilities[row]
    names, by_output = answers.outputs.names or (), answers.outputs.classes_by_output or ()
    match answers.task:
        case "outlier" if answers.scores is not None:
            return {"label": label, "score": answers.scores[row]}
        case "classifier" if shares is not None:
            classes = answers.outputs.classes or ()
            own = shares[classes.index(label)]
            return {"label": label, "probability": own, "probabilities": keyed(classes, shares)}
        case "multi-classifier":
            labels = {"labels": dict(zip(names, label or (), strict=True))}
            return labels if shares is None else {**labels, "probabilities": _by_output(names, by_output, shares)}
        case "multi-regressor" | "transformer" if answers.values is not None:
            return {"values": dict(zip(names, answers.values[row], strict=True))}
        case "regressor" if answers.values is not None:
            return {"value": answers.values[row]}
    return {"label": label}


def keyed(classes: Sequence[Any], shares: Sequence[float]) -> dict[str, float]:
    """Probabilities by class, which as the key of a JSON object is text."""
    return {str(each): share for each, share in zip(classes, shares, strict=True)}


def _by_output(
    names: Sequence[str], by_output: Sequence[Sequence[Any]], shares: list[float]
) -> dict[str, dict[str, float]]:
    ends = list(accumulate(len(classes) for classes in by_output))
    return {
        name: keyed(classes, shares[end - len(classes) : end])
        for name, classes, end in zip(names, by_output, ends, strict=True)
    }


def _rank(group: str) -> tuple[int, str]:
    order = ("sample", "missing", "unseen", "drawn", "threshold", "category", "extreme", "text")
    kind = group.split(":")[0].split("=")[0]
    return order.index(kind), group


def _finite_answer(answers: Answers, row: int) -> bool:
    found = [each[row] for each in (answers.values, answers.probabilities, answers.scores) if each is not None]
    return bool(np.isfinite(np.hstack(found)).all()) if found else True
