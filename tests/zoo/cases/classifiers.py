"""Classifiers on measurements: two, three and ten classes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import (
    calibration,
    discriminant_analysis,
    dummy,
    ensemble,
    gaussian_process,
    linear_model,
    model_selection,
    multiclass,
    naive_bayes,
    neighbors,
    neural_network,
    preprocessing,
    semi_supervised,
    svm,
    tree,
)
from sklearn.gaussian_process import kernels

from tests.zoo.cases.case import Case, standard, with_step
from tests.zoo.cases.data import digits, tumours, wine

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.zoo.cases.data import Data


def cases() -> dict[str, Case]:
    found = {f"wine/{name}": Case(make, wine) for name, make in classifiers().items()}
    found |= {f"tumours/{name}": Case(make, tumours) for name, make in classifiers().items()}
    found |= {f"tumours/{name}": Case(make, tumours) for name, make in binary_classifiers().items()}
    return found | {
        **{f"half-labelled/{name}": Case(make, half_labelled) for name, make in semi_supervised_ones().items()},
        "digits/forest": Case(lambda: ensemble.RandomForestClassifier(n_estimators=10, random_state=0), digits),
        "digits/one-vs-one": Case(lambda: multiclass.OneVsOneClassifier(linear_model.LogisticRegression()), digits),
        "digits/multinomial": Case(naive_bayes.MultinomialNB, digits),
        "digits/knn": Case(lambda: neighbors.KNeighborsClassifier(4), digits),
        "digits/svc": Case(svm.SVC, digits),
        "digits/svc-probability": Case(lambda: svm.SVC(probability=True, random_state=0), digits),
    }


def classifiers() -> dict[str, Callable[[], Any]]:
    return {
        "logistic": lambda: standard(linear_model.LogisticRegression()),
        "logistic-cv": lambda: standard(linear_model.LogisticRegressionCV(cv=3, Cs=3)),
        "ridge-classifier": lambda: standard(linear_model.RidgeClassifier()),
        "perceptron": lambda: standard(linear_model.Perceptron()),
        "sgd-hinge": lambda: standard(linear_model.SGDClassifier(random_state=0)),
        "sgd-log": lambda: standard(linear_model.SGDClassifier(loss="log_loss", random_state=0)),
        "sgd-huber": lambda: standard(linear_model.SGDClassifier(loss="modified_huber", random_state=0)),
        "ridge-classifier-cv": lambda: standard(linear_model.RidgeClassifierCV()),
        "passive-aggressive": lambda: standard(linear_model.PassiveAggressiveClassifier(random_state=0)),
        "sgd-squared-hinge": lambda: standard(linear_model.SGDClassifier(loss="squared_hinge", random_state=0)),
        "linear-svc": lambda: standard(svm.LinearSVC()),
        "tree": lambda: tree.DecisionTreeClassifier(max_depth=6, random_state=0),
        "extra-tree": lambda: tree.ExtraTreeClassifier(max_depth=6, random_state=0),
        "forest": lambda: standard(ensemble.RandomForestClassifier(n_estimators=20, random_state=0)),
        "forest-even": lambda: ensemble.RandomForestClassifier(n_estimators=2, max_depth=3, random_state=0),
        "extra-trees": lambda: ensemble.ExtraTreesClassifier(n_estimators=20, random_state=0),
        "boosting": lambda: standard(ensemble.GradientBoostingClassifier(n_estimators=15, random_state=0)),
        "hist-boosting": lambda: standard(ensemble.HistGradientBoostingClassifier(max_iter=15)),
        "ada-boost": lambda: ensemble.AdaBoostClassifier(n_estimators=15, random_state=0),
        "bagging": lambda: ensemble.BaggingClassifier(n_estimators=5, max_features=0.7, random_state=0),
        "bagging-votes": lambda: standard(ensemble.BaggingClassifier(svm.LinearSVC(), n_estimators=5, random_state=0)),
        "voting-soft": lambda: standard(voting("soft")),
        "voting-hard": lambda: standard(voting("hard")),
        "stacking": lambda: standard(stacking(passthrough=False)),
        "stacking-through": lambda: standard(stacking(passthrough=True)),
        "calibrated-sigmoid": lambda: standard(calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=3)),
        "calibrated-isotonic": lambda: standard(
            calibration.CalibratedClassifierCV(naive_bayes.GaussianNB(), method="isotonic", cv=3)
        ),
        "calibrated-temperature": lambda: standard(
            calibration.CalibratedClassifierCV(svm.LinearSVC(), method="temperature", cv=3)
        ),
        "calibrated-temperature-shares": lambda: standard(
            calibration.CalibratedClassifierCV(naive_bayes.GaussianNB(), method="temperature", ensemble=False, cv=3)
        ),
        "boosting-from-model": lambda: ensemble.GradientBoostingClassifier(
            init=standard(linear_model.LogisticRegression()), n_estimators=5, random_state=0
        ),
        "one-vs-rest": lambda: standard(multiclass.OneVsRestClassifier(linear_model.LogisticRegression())),
        "one-vs-rest-trees": lambda: multiclass.OneVsRestClassifier(tree.DecisionTreeClassifier(max_depth=3)),
        "output-code": lambda: standard(
            multiclass.OutputCodeClassifier(linear_model.LogisticRegression(), code_size=2, random_state=0)
        ),
        "categorical-bayes": lambda: with_step(
            preprocessing.KBinsDiscretizer(4, encode="ordinal", quantile_method="averaged_inverted_cdf"),
            naive_bayes.CategoricalNB(),
        ),
        "gaussian-bayes": naive_bayes.GaussianNB,
        "multinomial-bayes": lambda: with_step(preprocessing.MinMaxScaler(clip=True), naive_bayes.MultinomialNB()),
        "complement-bayes": lambda: with_step(preprocessing.MinMaxScaler(clip=True), naive_bayes.ComplementNB()),
        "bernoulli-bayes": lambda: standard(naive_bayes.BernoulliNB()),
        "knn-5": lambda: standard(neighbors.KNeighborsClassifier()),
        "process": lambda: standard(gaussian_process.GaussianProcessClassifier(kernels.RBF(3.0) * 2.0, optimizer=None)),
        "lda": discriminant_analysis.LinearDiscriminantAnalysis,
        "lda-eigen": lambda: discriminant_analysis.LinearDiscriminantAnalysis(solver="eigen", priors=None),
        "lda-lsqr": lambda: discriminant_analysis.LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
        "qda": lambda: standard(discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.1)),
        "mlp": lambda: standard(neural_network.MLPClassifier((12,), max_iter=60, random_state=0)),
        "mlp-tanh": lambda: standard(
            neural_network.MLPClassifier((8, 6), activation="tanh", max_iter=60, random_state=0)
        ),
        "svc-rbf": lambda: standard(svm.SVC()),
        "svc-linear": lambda: standard(svm.SVC(kernel="linear")),
        "svc-poly": lambda: standard(svm.SVC(kernel="poly", degree=3, coef0=1.0)),
        "svc-sigmoid": lambda: standard(svm.SVC(kernel="sigmoid")),
        "svc-break-ties": lambda: standard(svm.SVC(break_ties=True)),
        "svc-probability": lambda: standard(svm.SVC(probability=True, random_state=0)),
        "nu-svc-probability": lambda: standard(svm.NuSVC(nu=0.2, kernel="poly", probability=True, random_state=0)),
        "nu-svc": lambda: standard(svm.NuSVC(nu=0.2)),
        "search": lambda: model_selection.GridSearchCV(
            standard(linear_model.LogisticRegression()), {"logisticregression__C": [0.1, 1.0]}, cv=3
        ),
        "random-search": lambda: model_selection.RandomizedSearchCV(
            tree.DecisionTreeClassifier(random_state=0), {"max_depth": [2, 4]}, n_iter=2, cv=3, random_state=0
        ),
        "dummy": lambda: dummy.DummyClassifier(strategy="prior"),
    }


def standard_neighbors(metric: str) -> Any:
    return standard(neighbors.KNeighborsClassifier(7, metric=metric))


def semi_supervised_ones() -> dict[str, Callable[[], Any]]:
    return {
        "self-training": lambda: standard(semi_supervised.SelfTrainingClassifier(linear_model.LogisticRegression())),
        "propagation": lambda: standard(semi_supervised.LabelPropagation(gamma=0.3)),
        "spreading": lambda: standard(semi_supervised.LabelSpreading("knn", n_neighbors=5)),
    }


def half_labelled() -> Data:
    """Every other row without its label."""
    x, y = wine()
    return x, np.where(np.arange(len(y)) % 2, y, -1)


def voting(how: str) -> Any:
    members = [
        ("logistic", linear_model.LogisticRegression()),
        ("bayes", naive_bayes.GaussianNB()),
        ("tree", tree.DecisionTreeClassifier(max_depth=3, random_state=0)),
    ]
    return ensemble.VotingClassifier(members, voting=how, weights=[2, 1, 1.5])


def stacking(*, passthrough: bool) -> Any:
    members = [
        ("svc", svm.LinearSVC()),
        ("forest", ensemble.RandomForestClassifier(n_estimators=5, random_state=0)),
    ]
    return ensemble.StackingClassifier(members, cv=3, passthrough=passthrough)


def binary_classifiers() -> dict[str, Callable[[], Any]]:
    inner = linear_model.LogisticRegression
    return {
        "knn": lambda: standard(neighbors.KNeighborsClassifier(7)),
        "knn-distance": lambda: standard(neighbors.KNeighborsClassifier(weights="distance")),
        **{
            f"knn-{metric}": partial(standard_neighbors, metric)
            for metric in ("manhattan", "chebyshev", "cosine", "canberra", "braycurtis")
        },
        "knn-minkowski": lambda: standard(neighbors.KNeighborsClassifier(9, p=3, weights="distance")),
        "radius": lambda: standard(
            neighbors.RadiusNeighborsClassifier(4.0, weights="distance", outlier_label="malignant")
        ),
        "centroid": lambda: standard(neighbors.NearestCentroid()),
        "centroid-priors": lambda: standard(neighbors.NearestCentroid(priors="empirical", shrink_threshold=0.2)),
        "logistic-liblinear": lambda: standard(linear_model.LogisticRegression(solver="liblinear")),
        "fixed-threshold": lambda: standard(model_selection.FixedThresholdClassifier(inner(), threshold=0.3)),
        "fixed-threshold-first": lambda: standard(
            model_selection.FixedThresholdClassifier(inner(), threshold=0.2, pos_label="benign")
        ),
        "fixed-threshold-score": lambda: standard(
            model_selection.FixedThresholdClassifier(
                svm.LinearSVC(), threshold=0.1, pos_label="malignant", response_method="decision_function"
            )
        ),
        "tuned-threshold": lambda: standard(
            model_selection.TunedThresholdClassifierCV(inner(), scoring="balanced_accuracy", cv=3, random_state=0)
        ),
        "boosting-exponential": lambda: ensemble.GradientBoostingClassifier(
            loss="exponential", n_estimators=10, random_state=0
        ),
        "boosting-exponential-from-model": lambda: ensemble.GradientBoostingClassifier(
            loss="exponential", init=tree.DecisionTreeClassifier(max_depth=2), n_estimators=5, random_state=0
        ),
        "boosting-zero": lambda: ensemble.GradientBoostingClassifier(init="zero", n_estimators=10, random_state=0),
    }
