"""Which of the things saved in one file is the model, and what else there tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .problems import Unusable

if TYPE_CHECKING:
    from pathlib import Path


def choose_model(path: Path, loaded: Any, select: str | None) -> Any:
    """What was loaded, or the one model in a dictionary, list or tuple: the one that `select` names, if any."""
    candidates = _candidates(_entries(loaded))
    if select is not None:
        if select not in candidates:
            raise Unusable(
                f"{path.name} holds no model called {select}",
                f"its models are called {', '.join(candidates)}"
                if candidates
                else "it holds one thing, without a name",
                "Name one of them with --select NAME." if candidates else "Leave --select out.",
            )
        return candidates[select]
    if len(candidates) > 1:
        raise Unusable(
            f"{path.name} holds {len(candidates)} models",
            f"they are saved under {', '.join(candidates)}",
            f"Say which one: --select {next(iter(candidates))}",
        )
    return next(iter(candidates.values()), loaded)


def feature_names(model: Any, loaded: Any, width: int) -> list[str] | None:
    """The names that the model keeps; else those saved beside it, when one entry holds as many as it takes."""
    own = getattr(model, "feature_names_in_", None)
    if own is None:
        # CatBoost's; it numbers the columns of an array.
        own = getattr(model, "feature_names_", None)
        own = None if own == [str(place) for place in range(width)] else own
    if own is not None:
        return [str(name) for name in own]
    beside = [names for names in map(_texts, _entries(loaded).values()) if names is not None and len(names) == width]
    return beside[0] if len(beside) == 1 else None


def _entries(loaded: Any) -> dict[str, Any]:
    if isinstance(loaded, dict):
        return {str(key): value for key, value in loaded.items()}
    if isinstance(loaded, (list, tuple)):
        return {str(place): value for place, value in enumerate(loaded)}
    return {}


def _candidates(entries: dict[str, Any]) -> dict[str, Any]:
    """What predicts; where nothing does, what transforms: a scaler beside a model is a part of its history."""
    for method in ("predict", "transform"):
        found = {name: value for name, value in entries.items() if hasattr(value, method)}
        if found:
            return found
    return {}


def _texts(value: Any) -> list[str] | None:
    if not isinstance(value, (list, tuple)) and not hasattr(value, "tolist"):
        return None
    texts = np.asarray(value, dtype=object).tolist()
    return texts if isinstance(texts, list) and texts and all(isinstance(text, str) for text in texts) else None
