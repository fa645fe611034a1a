"""What a fitted model gives: its task, and the names and classes of its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

FAMILIES = {
    "classifier": "classifier",
    "regressor": "regressor",
    "outlier_detector": "outlier",
    "clusterer": "clusterer",
    # Mixtures: their predict() answers the component, a cluster.
    "density_estimator": "clusterer",
    "DensityEstimator": "clusterer",
}
RANKERS = ("lightgbm.sklearn.LGBMRanker", "xgboost.sklearn.XGBRanker")
"""What says nothing of its kind: its predict() answers a number to order rows by."""
INDICATOR = (0, 1)


@dataclass(frozen=True)
class Kind:
    """`classes` of a classifier; `names` of several outputs, and of a multi-classifier `classes_by_output`."""

    task: str
    classes: list[Any] | None = None
    names: list[str] | None = None
    classes_by_output: list[list[Any]] | None = None


def find_family(model: Any) -> str | None:
    """`classifier`, `regressor`, `outlier`, `clusterer` or `transformer`; None for what answers no new rows."""
    if f"{type(model).__module__}.{type(model).__qualname__}" in RANKERS:
        return "regressor"
    if hasattr(model, "predict"):
        return FAMILIES.get(_estimator_type(model))
    return "transformer" if hasattr(model, "transform") else None


def find_kind(model: Any, family: str, answered: np.ndarray) -> Kind:
    """The kind of a model of this family whose predict() (or transform()) answered this array."""
    if family == "transformer":
        return Kind("transformer", names=_transformed_names(model, answered.shape[1]))
    if family == "classifier":
        if _has_several(answered) or _lists_classes(model):
            by_output = _classes_by_output(model, answered.shape[1])
            return Kind("multi-classifier", names=_numbered(len(by_output)), classes_by_output=by_output)
        return Kind("classifier", classes=[plain(value) for value in model.classes_])
    if family == "regressor" and _has_several(answered):
        return Kind("multi-regressor", names=_numbered(answered.shape[1]))
    return Kind(family)


def plain(value: Any) -> Any:
    """A numpy or Python scalar as what JSON knows; missing becomes None."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value


def _estimator_type(model: Any) -> Any:
    try:
        from sklearn.utils import get_tags

        return get_tags(model).estimator_type
    except (ImportError, AttributeError, TypeError):
        # Before scikit-learn 1.6, and other libraries' estimators since.
        return getattr(model, "_estimator_type", None)


def _has_several(answered: np.ndarray) -> bool:
    return answered.ndim == 2 and answered.shape[1] > 1


def _classes_by_output(model: Any, outputs: int) -> list[list[Any]]:
    """Each output's classes; a model fitted on an indicator matrix answers 0 or 1 for each."""
    if _lists_classes(model):
        return [[plain(value) for value in each] for each in model.classes_]
    return [list(INDICATOR)] * outputs


def _lists_classes(model: Any) -> bool:
    """Whether `classes_` holds one array an output; that of one output may be a list itself."""
    classes = getattr(model, "classes_", None)
    return isinstance(classes, list) and all(np.ndim(each) == 1 for each in classes)


def _numbered(outputs: int) -> list[str]:
    """scikit-learn keeps no names of targets."""
    return [f"y{place}" for place in range(outputs)]


def _transformed_names(model: Any, outputs: int) -> list[str]:
    try:
        names = [str(name) for name in model.get_feature_names_out()]
    except Exception:
        # A step without names raises whatever it likes.
        return _numbered(outputs)
    return names if len(set(names)) == outputs else _numbered(outputs)
