"""Models that are no classifier or regressor of one output: several values or labels, columns, outliers."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import decomposition, ensemble, impute, linear_model, multioutput, svm, tree

from tests.zoo.cases.case import Case, columns, filled, one_hot, standard
from tests.zoo.cases.data import Data, penguins, wine

if TYPE_CHECKING:
    from collections.abc import Callable


def cases() -> dict[str, Case]:
    return {
        **{f"values/{name}": Case(make, two_values) for name, make in of_values().items()},
        **{f"labels/{name}": Case(make, three_labels) for name, make in of_labels().items()},
        "labels/words": Case(lambda: tree.DecisionTreeClassifier(max_depth=3, random_state=0), two_words),
        "outliers/sgd": Case(lambda: standard(linear_model.SGDOneClassSVM(random_state=0)), wine),
        "columns/pca": Case(lambda: standard(decomposition.PCA(3)), wine),
        "columns/one": Case(lambda: standard(decomposition.PCA(1)), wine),
        "columns/mixed": Case(lambda: columns(standard(impute.SimpleImputer()), filled(one_hot())), penguins),
    }


@cache
def two_values() -> Data:
    """Two numbers from 11."""
    x, _ = wine()
    return x.drop(columns=["alcohol", "hue"]), x[["alcohol", "hue"]].to_numpy()


@cache
def three_labels() -> Data:
    """Three classes, and two labels of yes or no, from 13 numbers."""
    x, y = wine()
    return x, np.column_stack([y, x["proline"] > 700, np.where(x["hue"] > 1, 7, 3)])


@cache
def two_words() -> Data:
    x, y = wine()
    return x, np.column_stack([np.where(y == 1, "dry", "sweet"), np.where(y == 2, "old", "young")])


def of_values() -> dict[str, Callable[[], Any]]:
    return {
        "each": lambda: multioutput.MultiOutputRegressor(
            ensemble.GradientBoostingRegressor(n_estimators=5, random_state=0)
        ),
        "tree": lambda: tree.DecisionTreeRegressor(max_depth=4, random_state=0),
        "forest": lambda: ensemble.RandomForestRegressor(n_estimators=5, random_state=0),
        "linear": linear_model.LinearRegression,
        "lasso": lambda: standard(linear_model.MultiTaskLasso(alpha=0.1)),
    }


def of_labels() -> dict[str, Callable[[], Any]]:
    return {
        "each": lambda: multioutput.MultiOutputClassifier(standard(linear_model.LogisticRegression())),
        "each-without-probabilities": lambda: multioutput.MultiOutputClassifier(standard(svm.LinearSVC())),
        "tree": lambda: tree.DecisionTreeClassifier(max_depth=4, random_state=0),
        "forest": lambda: ensemble.RandomForestClassifier(n_estimators=5, random_state=0),
    }
