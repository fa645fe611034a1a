"""Outlier detectors and clusterers, trained without labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn import cluster, covariance, ensemble, mixture, neighbors, svm

from tests.zoo.cases.case import Case, standard
from tests.zoo.cases.data import wine

if TYPE_CHECKING:
    from collections.abc import Callable


def cases() -> dict[str, Case]:
    found = {f"outliers/{name}": Case(make, wine) for name, make in outliers().items()}
    return found | {f"clusters/{name}": Case(make, wine) for name, make in clusterers().items()}


def outliers() -> dict[str, Callable[[], Any]]:
    return {
        "one-class-svm": lambda: standard(svm.OneClassSVM(nu=0.1)),
        "one-class-poly": lambda: standard(svm.OneClassSVM(nu=0.2, kernel="poly", degree=2)),
        "forest": lambda: ensemble.IsolationForest(n_estimators=20, random_state=0),
        "forest-share": lambda: ensemble.IsolationForest(
            n_estimators=20, contamination=0.05, max_features=0.6, max_samples=60, random_state=0
        ),
        "envelope": lambda: standard(covariance.EllipticEnvelope(contamination=0.05, random_state=0)),
        "local-factor": lambda: standard(neighbors.LocalOutlierFactor(novelty=True)),
        "local-factor-manhattan": lambda: standard(
            neighbors.LocalOutlierFactor(8, metric="manhattan", novelty=True, contamination=0.1)
        ),
    }


def clusterers() -> dict[str, Callable[[], Any]]:
    return {
        "k-means": lambda: standard(cluster.KMeans(4, random_state=0)),
        "k-means-mini-batch": lambda: standard(cluster.MiniBatchKMeans(4, random_state=0)),
        "k-means-bisecting": lambda: standard(cluster.BisectingKMeans(5, random_state=0)),
        "mean-shift": lambda: standard(cluster.MeanShift(bandwidth=3.5)),
        "affinity": lambda: standard(cluster.AffinityPropagation(damping=0.8, random_state=0)),
        "birch": lambda: standard(cluster.Birch(n_clusters=3)),
        "mixture": lambda: standard(mixture.GaussianMixture(3, random_state=0)),
        "mixture-tied": lambda: standard(mixture.GaussianMixture(3, covariance_type="tied", random_state=0)),
        "mixture-diagonal": lambda: standard(mixture.GaussianMixture(3, covariance_type="diag", random_state=0)),
        "mixture-spherical": lambda: standard(mixture.GaussianMixture(3, covariance_type="spherical", random_state=0)),
        "mixture-bayesian": lambda: standard(mixture.BayesianGaussianMixture(n_components=4, random_state=0)),
    }
