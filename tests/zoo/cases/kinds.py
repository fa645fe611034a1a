"""Models that are no classifier or regressor of one output: several values or labels, columns, outliers."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import (
    cross_decomposition,
    decomposition,
    ensemble,
    gaussian_process,
    impute,
    kernel_ridge,
    linear_model,
    multiclass,
    multioutput,
    neighbors,
    neural_network,
    svm,
    tree,
)

from tests.zoo.cases.case import Case, columns, filled, one_hot, standard
from tests.zoo.cases.data import Data, penguins, wine

if TYPE_CHECKING:
    from collections.abc import Callable


def cases() -> dict[str, Case]:
    return {
        **{f"values/{name}": Case(make, two_values) for name, make in of_values().items()},
        **{f"labels/{name}": Case(make, three_labels) for name, make in of_labels().items()},
        **{f"labels/{name}": Case(make, yes_or_no) for name, make in of_indicators().items()},
        "labels/words": Case(lambda: tree.DecisionTreeClassifier(max_depth=3, random_state=0), two_words),
        "outliers/sgd": Case(lambda: standard(linear_model.SGDOneClassSVM(random_state=0)), wine),
        "columns/partial-squares": Case(lambda: cross_decomposition.PLSSVD(1), wine),
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
        "chain": lambda: standard(multioutput.RegressorChain(linear_model.Ridge(), order=[1, 0])),
        "neighbors": lambda: standard(neighbors.KNeighborsRegressor(weights="distance")),
        "partial-squares": lambda: cross_decomposition.PLSRegression(3),
        "network": lambda: standard(neural_network.MLPRegressor(hidden_layer_sizes=(6,), max_iter=60, random_state=0)),
        "canonical": lambda: cross_decomposition.CCA(2),
        "kernel-ridge": lambda: standard(kernel_ridge.KernelRidge(kernel="laplacian", gamma=0.1)),
        "process": lambda: standard(gaussian_process.GaussianProcessRegressor(normalize_y=True, alpha=0.1)),
        "lasso-cv": lambda: standard(linear_model.MultiTaskLassoCV(cv=3)),
        "elastic-net": lambda: standard(linear_model.MultiTaskElasticNet(alpha=0.1)),
        "elastic-net-cv": lambda: standard(linear_model.MultiTaskElasticNetCV(cv=3)),
        "canonical-squares": lambda: cross_decomposition.PLSCanonical(2),
        "lasso": lambda: standard(linear_model.MultiTaskLasso(alpha=0.1)),
    }


@cache
def yes_or_no() -> Data:
    """Two labels of yes or no, as an indicator matrix."""
    x, y = wine()
    return x, np.column_stack([x["proline"] > 700, (y == 1) | (x["hue"] > 1)]).astype(int)


def of_indicators() -> dict[str, Callable[[], Any]]:
    logistic = linear_model.LogisticRegression
    return {
        "chain": lambda: standard(multioutput.ClassifierChain(logistic(), order=[1, 0])),
        "chain-of-shares": lambda: standard(multioutput.ClassifierChain(logistic(), chain_method="predict_proba")),
        "chain-of-scores": lambda: standard(
            multioutput.ClassifierChain(svm.LinearSVC(), chain_method="decision_function")
        ),
        "one-vs-rest": lambda: standard(multiclass.OneVsRestClassifier(logistic())),
        "one-vs-rest-trees": lambda: multiclass.OneVsRestClassifier(
            tree.DecisionTreeClassifier(max_depth=3, random_state=0)
        ),
        "neighbors": lambda: standard(neighbors.KNeighborsClassifier()),
        "network": lambda: standard(neural_network.MLPClassifier((8,), max_iter=60, random_state=0)),
        "ridge": lambda: standard(linear_model.RidgeClassifier()),
        "forest-of-two": lambda: ensemble.ExtraTreesClassifier(n_estimators=4, random_state=0),
    }


def of_labels() -> dict[str, Callable[[], Any]]:
    return {
        "each": lambda: multioutput.MultiOutputClassifier(standard(linear_model.LogisticRegression())),
        "each-without-probabilities": lambda: multioutput.MultiOutputClassifier(standard(svm.LinearSVC())),
        "tree": lambda: tree.DecisionTreeClassifier(max_depth=4, random_state=0),
        "forest": lambda: ensemble.RandomForestClassifier(n_estimators=5, random_state=0),
    }
