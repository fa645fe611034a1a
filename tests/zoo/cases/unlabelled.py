"""Outlier detectors and clusterers, trained without labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn import svm

from tests.zoo.cases.case import Case, standard
from tests.zoo.cases.data import wine

if TYPE_CHECKING:
    from collections.abc import Callable


def cases() -> dict[str, Case]:
    return {f"outliers/{name}": Case(make, wine) for name, make in outliers().items()}


def outliers() -> dict[str, Callable[[], Any]]:
    return {
        "one-class-svm": lambda: standard(svm.OneClassSVM(nu=0.1)),
        "one-class-poly": lambda: standard(svm.OneClassSVM(nu=0.2, kernel="poly", degree=2)),
    }
