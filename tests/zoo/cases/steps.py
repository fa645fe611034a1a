"""Transformers of numbers and of words, each before a logistic regression."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import (
    cluster,
    decomposition,
    discriminant_analysis,
    ensemble,
    feature_selection,
    frozen,
    impute,
    kernel_approximation,
    naive_bayes,
    neighbors,
    neural_network,
    preprocessing,
    random_projection,
    tree,
)
from sklearn.pipeline import FeatureUnion, make_pipeline

from tests.zoo.cases.case import Case, after, filled, one_hot, standard, with_step, with_words
from tests.zoo.cases.data import penguins, wine

if TYPE_CHECKING:
    from collections.abc import Callable


SEARCHED = "has no exact emitter: it searches"


def cases() -> dict[str, Case]:
    return {
        **{f"steps/{name}": Case(after(with_step, make), wine) for name, make in number_steps().items()},
        **{f"words/{name}": Case(after(with_words, make), penguins) for name, make in word_steps().items()},
        **{f"steps/{name}": Case(after(with_step, make), wine, SEARCHED) for name, make in searched_steps().items()},
        "steps/function-of-its-own": Case(
            lambda: with_step(preprocessing.FunctionTransformer(np.round)), wine, "the function 'round'"
        ),
    }


def searched_steps() -> dict[str, Callable[[], Any]]:
    dictionary = np.eye(13)[:3]
    return {
        "non-negative": lambda: decomposition.NMF(2, max_iter=400),
        "non-negative-batches": lambda: decomposition.MiniBatchNMF(2, max_iter=20, random_state=0),
        "topics": lambda: decomposition.LatentDirichletAllocation(2, max_iter=2, random_state=0),
        "dictionary": lambda: decomposition.DictionaryLearning(2, max_iter=5, random_state=0),
        "dictionary-batches": lambda: decomposition.MiniBatchDictionaryLearning(2, max_iter=5, random_state=0),
        "coder": lambda: decomposition.SparseCoder(dictionary),
    }


FUNCTIONS = (np.arcsinh, np.cbrt, np.cosh, np.expm1, np.log10, np.log2, np.reciprocal, np.rint, np.sign, np.tan)


def applied(function: Any) -> Any:
    return make_pipeline(preprocessing.MinMaxScaler((0.5, 3), clip=True), preprocessing.FunctionTransformer(function))


def number_steps() -> dict[str, Callable[[], Any]]:
    return {
        "min-max": preprocessing.MinMaxScaler,
        "min-max-clip": lambda: preprocessing.MinMaxScaler(feature_range=(-1, 1), clip=True),
        "max-abs": preprocessing.MaxAbsScaler,
        "robust": preprocessing.RobustScaler,
        "normalizer-l1": lambda: preprocessing.Normalizer("l1"),
        "normalizer-l2": preprocessing.Normalizer,
        "normalizer-max": lambda: preprocessing.Normalizer("max"),
        "binarizer": lambda: make_pipeline(preprocessing.StandardScaler(), preprocessing.Binarizer(threshold=0.2)),
        "bins-one-hot": lambda: preprocessing.KBinsDiscretizer(4),
        "bins-ordinal": lambda: preprocessing.KBinsDiscretizer(5, encode="ordinal", strategy="uniform"),
        "polynomial": lambda: make_pipeline(preprocessing.StandardScaler(), preprocessing.PolynomialFeatures(2)),
        "interactions": lambda: make_pipeline(
            preprocessing.StandardScaler(),
            feature_selection.SelectKBest(k=4),
            preprocessing.PolynomialFeatures(3, interaction_only=True, include_bias=False),
        ),
        "yeo-johnson": preprocessing.PowerTransformer,
        "box-cox": lambda: make_pipeline(
            preprocessing.MinMaxScaler((1, 2), clip=True), preprocessing.PowerTransformer("box-cox", standardize=False)
        ),
        "pca": lambda: make_pipeline(preprocessing.StandardScaler(), decomposition.PCA(4)),
        "pca-whiten": lambda: make_pipeline(preprocessing.StandardScaler(), decomposition.PCA(4, whiten=True)),
        "incremental-pca": lambda: make_pipeline(preprocessing.StandardScaler(), decomposition.IncrementalPCA(4)),
        "svd": lambda: make_pipeline(preprocessing.StandardScaler(), decomposition.TruncatedSVD(4, random_state=0)),
        "ica": lambda: make_pipeline(preprocessing.StandardScaler(), decomposition.FastICA(4, random_state=0)),
        "factors": lambda: make_pipeline(preprocessing.StandardScaler(), decomposition.FactorAnalysis(3)),
        "lda-axes": discriminant_analysis.LinearDiscriminantAnalysis,
        "k-best": lambda: make_pipeline(preprocessing.StandardScaler(), feature_selection.SelectKBest(k=5)),
        "percentile": lambda: feature_selection.SelectPercentile(percentile=40),
        "variance": lambda: feature_selection.VarianceThreshold(0.5),
        "rfe": lambda: feature_selection.RFE(tree.DecisionTreeClassifier(random_state=0), n_features_to_select=4),
        "from-model": lambda: feature_selection.SelectFromModel(
            ensemble.RandomForestClassifier(n_estimators=5, random_state=0)
        ),
        "ranks-normal": lambda: preprocessing.QuantileTransformer(n_quantiles=60, output_distribution="normal"),
        "splines": preprocessing.SplineTransformer,
        "splines-linear": lambda: preprocessing.SplineTransformer(
            6, degree=2, knots="quantile", extrapolation="linear", include_bias=False
        ),
        "splines-periodic": lambda: preprocessing.SplineTransformer(extrapolation="periodic"),
        "splines-continued": lambda: make_pipeline(
            preprocessing.MinMaxScaler(clip=True), preprocessing.SplineTransformer(4, extrapolation="continue")
        ),
        "nystroem": lambda: standard(kernel_approximation.Nystroem(n_components=20, random_state=0)),
        "nystroem-poly": lambda: standard(
            kernel_approximation.Nystroem("poly", degree=2, n_components=20, random_state=0)
        ),
        "nystroem-laplacian": lambda: standard(
            kernel_approximation.Nystroem("laplacian", gamma=0.1, n_components=20, random_state=0)
        ),
        "random-waves": lambda: standard(kernel_approximation.RBFSampler(n_components=30, random_state=0)),
        "skewed-chi2": lambda: make_pipeline(
            preprocessing.MinMaxScaler(clip=True),
            kernel_approximation.SkewedChi2Sampler(n_components=30, random_state=0),
        ),
        "additive-chi2": lambda: make_pipeline(
            preprocessing.MinMaxScaler(clip=True), kernel_approximation.AdditiveChi2Sampler(sample_steps=3)
        ),
        "count-sketch": lambda: make_pipeline(
            preprocessing.MinMaxScaler(clip=True),
            kernel_approximation.PolynomialCountSketch(degree=3, coef0=1, n_components=40, random_state=0),
        ),
        "kernel-pca": lambda: standard(decomposition.KernelPCA(4, kernel="rbf", gamma=0.05)),
        "kernel-pca-cosine": lambda: standard(decomposition.KernelPCA(4, kernel="cosine")),
        "sparse-pca": lambda: standard(decomposition.SparsePCA(3, max_iter=20, random_state=0)),
        "random-projection": lambda: standard(random_projection.GaussianRandomProjection(4, random_state=0)),
        "sparse-projection": lambda: standard(random_projection.SparseRandomProjection(4, random_state=0)),
        "agglomeration": lambda: standard(cluster.FeatureAgglomeration(4)),
        "boltzmann": lambda: make_pipeline(
            preprocessing.MinMaxScaler(clip=True), neural_network.BernoulliRBM(5, n_iter=3, random_state=0)
        ),
        "neighborhood": lambda: standard(neighbors.NeighborhoodComponentsAnalysis(3, max_iter=10, random_state=0)),
        "trees-embedding": lambda: ensemble.RandomTreesEmbedding(n_estimators=6, max_depth=3, random_state=0),
        "k-means-distances": lambda: standard(cluster.KMeans(4, random_state=0)),
        "birch-distances": lambda: standard(cluster.Birch(threshold=2.0)),
        "frozen": lambda: standard(frozen.FrozenEstimator(decomposition.PCA(3).fit(wine()[0]))),
        "bins-k-means": lambda: preprocessing.KBinsDiscretizer(4, encode="onehot-dense", strategy="kmeans"),
        "bins-averaged": lambda: preprocessing.KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"),
        "sparse-pca-batches": lambda: standard(decomposition.MiniBatchSparsePCA(3, max_iter=20, random_state=0)),
        "generic-select": lambda: feature_selection.GenericUnivariateSelect(mode="k_best", param=5),
        "select-rate": lambda: feature_selection.SelectFpr(alpha=1e-12),
        "select-discoveries": lambda: feature_selection.SelectFdr(alpha=1e-12),
        "select-family": lambda: feature_selection.SelectFwe(alpha=1e-12),
        "rfe-cv": lambda: feature_selection.RFECV(tree.DecisionTreeClassifier(random_state=0), step=4, cv=3),
        "sequential": lambda: standard(
            feature_selection.SequentialFeatureSelector(naive_bayes.GaussianNB(), n_features_to_select=3, cv=3)
        ),
        "ranks": lambda: preprocessing.QuantileTransformer(n_quantiles=50),
        "ranks-with-ties": lambda: make_pipeline(
            preprocessing.FunctionTransformer(np.floor), preprocessing.QuantileTransformer(n_quantiles=100)
        ),
        "log1p": lambda: make_pipeline(
            preprocessing.MinMaxScaler(clip=True), preprocessing.FunctionTransformer(np.log1p)
        ),
        "square": lambda: make_pipeline(preprocessing.StandardScaler(), preprocessing.FunctionTransformer(np.square)),
        "sqrt": lambda: make_pipeline(
            preprocessing.MinMaxScaler(clip=True), preprocessing.FunctionTransformer(np.sqrt)
        ),
        **{f"function-{function.__name__}": partial(applied, function) for function in FUNCTIONS},
        "identity": preprocessing.FunctionTransformer,
        "union": lambda: FeatureUnion(
            [("pca", standard(decomposition.PCA(2))), ("best", feature_selection.SelectKBest(k=3))],
            transformer_weights={"pca": 2.0},
        ),
    }


def word_steps() -> dict[str, Callable[[], Any]]:
    ordinal = preprocessing.OrdinalEncoder
    return {
        "one-hot": lambda: filled(one_hot()),
        "one-hot-missing": one_hot,
        "one-hot-drop": lambda: filled(one_hot(drop="first")),
        "one-hot-if-binary": lambda: filled(one_hot(drop="if_binary")),
        "one-hot-infrequent": lambda: filled(one_hot(handle_unknown="infrequent_if_exist", min_frequency=100)),
        "one-hot-max": lambda: filled(one_hot(handle_unknown="infrequent_if_exist", max_categories=2)),
        "one-hot-refusing": lambda: filled(one_hot(handle_unknown="error")),
        "one-hot-dense": lambda: filled(one_hot(sparse_output=False)),
        "one-hot-constant": lambda: make_pipeline(
            impute.SimpleImputer(strategy="constant", fill_value="none"), one_hot()
        ),
        "ordinal": lambda: filled(ordinal(handle_unknown="use_encoded_value", unknown_value=-1)),
        "ordinal-missing": lambda: ordinal(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
        ),
        "target": lambda: preprocessing.TargetEncoder(random_state=0),
        "one-hot-columns": lambda: filled(one_hot(sparse_output=False).set_output(transform="pandas")),
        "one-hot-warning": lambda: filled(one_hot(handle_unknown="warn", min_frequency=0.2)),
        "one-hot-drop-list": lambda: filled(one_hot(drop=["Biscoe", "male"])),
        "one-hot-listed": lambda: filled(
            one_hot(categories=[["Biscoe", "Dream", "Torgersen", "Elsewhere"], ["female", "male"]])
        ),
        "ordinal-infrequent": lambda: filled(
            ordinal(handle_unknown="use_encoded_value", unknown_value=-1, max_categories=2)
        ),
        "ordinal-unknown-missing": lambda: make_pipeline(
            filled(ordinal(handle_unknown="use_encoded_value", unknown_value=np.nan)), impute.SimpleImputer()
        ),
        "target-smooth": lambda: preprocessing.TargetEncoder(smooth=10.0, target_type="multiclass", random_state=0),
        "ordinal-refusing": lambda: filled(ordinal()),
    }
