"""Rows whose answer hangs on the order of the training rows.

Where training rows are equally near, which of them count as neighbours is an accident of the search: of the order in
which they were given and of how the search walks over them. Such an answer is no function of what was learned, and
nothing can be proven of it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

NEIGHBORS = ("KNeighborsClassifier", "KNeighborsRegressor", "LocalOutlierFactor", "KNNImputer")
BY_TRAINING_ROW = ("_fit_X", "_y", "_lrd", "_distances_fit_X_", "_mask_fit_X")
ORDERS = 3
SAME = 1e-9


def find_searches(model: Any) -> list[Any]:
    """The fitted estimators inside a model that look for nearest training rows."""
    found: list[Any] = []
    seen: set[int] = set()
    waiting = [model]
    while waiting:
        held = waiting.pop()
        if id(held) in seen:
            continue
        seen.add(id(held))
        if isinstance(held, (list, tuple)):
            waiting.extend(held)
        elif isinstance(held, dict):
            waiting.extend(held.values())
        elif isinstance(held, np.ndarray):
            waiting.extend(held.ravel().tolist() if held.dtype == object else [])
        elif type(held).__module__.startswith(("sklearn.", "imblearn.")):
            if type(held).__name__ in NEIGHBORS and hasattr(held, "_fit_X"):
                found.append(held)
            waiting.extend(vars(held).values() if hasattr(held, "__dict__") else [])
    return found


@contextmanager
def reordered(searches: list[Any], attempt: int) -> Iterator[None]:
    """Hold the training rows of all searches in another order for a while; what they learned stays the same."""
    before = [dict(vars(search)) for search in searches]
    try:
        for search in searches:
            _reorder(search, attempt)
        yield
    finally:
        for search, attributes in zip(searches, before):
            vars(search).update(attributes)


def differing_rows(one: dict[str, list[Any]], other: dict[str, list[Any]]) -> set[int]:
    """The rows to which two lots of outputs give different answers."""
    differing: set[int] = set()
    for name, answers in one.items():
        pairs = enumerate(zip(answers, other.get(name, [None] * len(answers))))
        differing.update(row for row, (ours, theirs) in pairs if not _same(ours, theirs))
    return differing


def _reorder(search: Any, attempt: int) -> None:
    size = search._fit_X.shape[0]
    order = np.random.default_rng(attempt).permutation(size) if attempt else np.arange(size)[::-1]
    for name in BY_TRAINING_ROW:
        values = getattr(search, name, None)
        if values is not None:
            setattr(search, name, values[order])
    tree = getattr(search, "_tree", None)
    if tree is not None:
        settings = search.effective_metric_params_ or {}
        search._tree = type(tree)(search._fit_X, search.leaf_size, metric=search.effective_metric_, **settings)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(ours, theirs) for ours, theirs in zip(one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= SAME * max(1.0, abs(one))
    return bool(one == other)
