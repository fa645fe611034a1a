"""Regressors on measurements."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import (
    compose,
    cross_decomposition,
    dummy,
    ensemble,
    feature_selection,
    gaussian_process,
    isotonic,
    kernel_ridge,
    linear_model,
    model_selection,
    neighbors,
    neural_network,
    preprocessing,
    svm,
    tree,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.gaussian_process import kernels
from sklearn.pipeline import make_pipeline

from tests.zoo.cases.case import Case, standard
from tests.zoo.cases.data import diabetes

if TYPE_CHECKING:
    from collections.abc import Callable


def cases() -> dict[str, Case]:
    return {f"diabetes/{name}": Case(make, diabetes) for name, make in regressors().items()}


def process(kernel: Any) -> Any:
    return standard(gaussian_process.GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True, alpha=1e-3))


KERNELS = {
    "default": None,
    "sum": kernels.ConstantKernel(2.0) * kernels.RBF(3.0) + kernels.WhiteKernel(0.5),
    "matern": kernels.Matern(4.0, nu=1.5) + kernels.DotProduct(2.0),
    "matern-rough": kernels.Matern(np.arange(1.0, 11.0), nu=2.5) ** 2,
    "periodic": kernels.ExpSineSquared(2.0, 60.0) * kernels.RationalQuadratic(3.0, 0.7) + kernels.WhiteKernel(5.0),
}


def regressors() -> dict[str, Callable[[], Any]]:
    return {
        "linear": linear_model.LinearRegression,
        "ridge": lambda: standard(linear_model.RidgeCV()),
        "lasso": lambda: standard(linear_model.LassoCV(cv=3)),
        "elastic-net-cv": lambda: standard(linear_model.ElasticNetCV(cv=3)),
        "lasso-plain": lambda: standard(linear_model.Lasso(alpha=0.5)),
        "lars-plain": lambda: standard(linear_model.Lars(n_nonzero_coefs=5)),
        "lars-cv": lambda: standard(linear_model.LarsCV(cv=3)),
        "lasso-lars": lambda: standard(linear_model.LassoLars(alpha=0.1)),
        "lasso-lars-cv": lambda: standard(linear_model.LassoLarsCV(cv=3)),
        "omp-cv": lambda: standard(linear_model.OrthogonalMatchingPursuitCV(cv=3)),
        "passive-aggressive": lambda: standard(linear_model.PassiveAggressiveRegressor(random_state=0)),
        "elastic-net": lambda: standard(linear_model.ElasticNet(alpha=0.1)),
        "bayesian-ridge": lambda: standard(linear_model.BayesianRidge()),
        "ard": lambda: standard(linear_model.ARDRegression()),
        "huber": lambda: standard(linear_model.HuberRegressor()),
        "lars": lambda: standard(linear_model.LassoLarsIC()),
        "omp": lambda: standard(linear_model.OrthogonalMatchingPursuit(n_nonzero_coefs=4)),
        "quantile": lambda: standard(linear_model.QuantileRegressor(quantile=0.8, alpha=0.1)),
        "theil-sen": lambda: standard(linear_model.TheilSenRegressor(random_state=0, max_subpopulation=100)),
        "ransac": lambda: standard(linear_model.RANSACRegressor(random_state=0)),
        "sgd-regressor": lambda: standard(linear_model.SGDRegressor(random_state=0)),
        "poisson": lambda: standard(linear_model.PoissonRegressor()),
        "gamma": lambda: standard(linear_model.GammaRegressor()),
        "tweedie": lambda: standard(linear_model.TweedieRegressor(power=1.5)),
        "tweedie-normal": lambda: standard(linear_model.TweedieRegressor(power=0)),
        "knn": lambda: standard(neighbors.KNeighborsRegressor(5, weights="distance")),
        "knn-seuclidean": lambda: neighbors.KNeighborsRegressor(
            5, metric="seuclidean", metric_params={"V": np.arange(1.0, 11.0)}
        ),
        "knn-mahalanobis": lambda: standard(
            neighbors.KNeighborsRegressor(
                metric="mahalanobis", algorithm="brute", metric_params={"VI": np.eye(10) + 0.1}
            )
        ),
        "radius": lambda: standard(neighbors.RadiusNeighborsRegressor(2.5)),
        "kernel-ridge": lambda: standard(kernel_ridge.KernelRidge(kernel="rbf", gamma=0.1)),
        "kernel-ridge-poly": lambda: standard(kernel_ridge.KernelRidge(kernel="poly", degree=2, alpha=5)),
        **{f"process-{name}": partial(process, kernel) for name, kernel in KERNELS.items()},
        "isotonic": lambda: make_pipeline(feature_selection.SelectKBest(k=1), isotonic.IsotonicRegression()),
        "isotonic-clipped": lambda: make_pipeline(
            feature_selection.SelectKBest(k=1), isotonic.IsotonicRegression(out_of_bounds="clip")
        ),
        "partial-squares": lambda: cross_decomposition.PLSRegression(3),
        "halving-random": lambda: model_selection.HalvingRandomSearchCV(
            linear_model.Ridge(), {"alpha": [0.1, 1.0, 10.0]}, cv=3, random_state=0
        ),
        "halving": lambda: model_selection.HalvingGridSearchCV(
            linear_model.Ridge(), {"alpha": [0.1, 1.0, 10.0]}, cv=3, random_state=0
        ),
        "linear-svr": lambda: standard(svm.LinearSVR(C=10)),
        "svr": lambda: standard(svm.SVR(C=100)),
        "nu-svr": lambda: standard(svm.NuSVR(kernel="linear")),
        "tree": lambda: tree.DecisionTreeRegressor(max_depth=6, random_state=0),
        "extra-tree": lambda: tree.ExtraTreeRegressor(max_depth=6, random_state=0),
        "forest": lambda: standard(ensemble.RandomForestRegressor(n_estimators=20, random_state=0)),
        "extra-trees": lambda: ensemble.ExtraTreesRegressor(n_estimators=20, random_state=0),
        "boosting": lambda: standard(ensemble.GradientBoostingRegressor(n_estimators=15, random_state=0)),
        "boosting-quantile": lambda: ensemble.GradientBoostingRegressor(
            loss="quantile", alpha=0.9, n_estimators=10, random_state=0
        ),
        "boosting-from-model": lambda: ensemble.GradientBoostingRegressor(
            init=linear_model.Ridge(), n_estimators=5, random_state=0
        ),
        "hist-boosting": lambda: standard(ensemble.HistGradientBoostingRegressor(max_iter=15)),
        "hist-poisson": lambda: ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=15),
        "hist-gamma": lambda: ensemble.HistGradientBoostingRegressor(loss="gamma", max_iter=15),
        "ada-boost": lambda: ensemble.AdaBoostRegressor(n_estimators=10, random_state=0),
        "bagging": lambda: ensemble.BaggingRegressor(n_estimators=5, max_features=0.7, random_state=0),
        "voting": lambda: standard(
            ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", svm.LinearSVR())], weights=[1, 2])
        ),
        "stacking": lambda: standard(
            ensemble.StackingRegressor([("a", linear_model.Ridge()), ("b", svm.LinearSVR())], cv=3)
        ),
        "mlp": lambda: standard(neural_network.MLPRegressor(hidden_layer_sizes=(10,), max_iter=60, random_state=0)),
        "log-target": lambda: compose.TransformedTargetRegressor(
            standard(linear_model.Ridge()), func=np.log, inverse_func=np.exp
        ),
        "log1p-target": lambda: compose.TransformedTargetRegressor(
            standard(linear_model.Ridge()), func=np.log1p, inverse_func=np.expm1
        ),
        "scaled-target": lambda: compose.TransformedTargetRegressor(
            standard(svm.SVR()), transformer=preprocessing.StandardScaler()
        ),
        "search": lambda: model_selection.GridSearchCV(linear_model.Ridge(), {"alpha": [0.1, 1.0]}, cv=3),
        "dummy": lambda: dummy.DummyRegressor(strategy="median"),
    }
