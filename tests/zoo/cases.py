"""The zoo: fitted models of every family that converts, on data that packages ship, with fixed seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from palmerpenguins import load_penguins
from sklearn import (
    calibration,
    compose,
    datasets,
    decomposition,
    discriminant_analysis,
    dummy,
    ensemble,
    feature_selection,
    impute,
    linear_model,
    model_selection,
    multiclass,
    naive_bayes,
    neighbors,
    neural_network,
    preprocessing,
    svm,
    tree,
)
from sklearn.pipeline import FeatureUnion, make_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = ["island", "sex"]
MEASURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
Data = tuple[Any, Any]


@dataclass(frozen=True)
class Case:
    """An unfitted model and the data it is trained on."""

    model: Callable[[], Any]
    data: Callable[[], Data]


@cache
def wine() -> Data:
    """Three classes, 13 numbers."""
    x, y = datasets.load_wine(return_X_y=True, as_frame=True)
    return x, y


@cache
def tumours() -> Data:
    """Two classes named by strings, 30 numbers, some made missing."""
    data = datasets.load_breast_cancer(as_frame=True)
    return data.data, np.where(data.target == 1, "benign", "malignant")


@cache
def tumours_with_gaps() -> Data:
    x, y = tumours()
    return x.mask(np.random.default_rng(1).random(x.shape) < 0.05), y


@cache
def diabetes() -> Data:
    """A positive number from 10 numbers."""
    x, y = datasets.load_diabetes(return_X_y=True, as_frame=True)
    return x, y


@cache
def diabetes_with_gaps() -> Data:
    x, y = diabetes()
    return x.mask(np.random.default_rng(1).random(x.shape) < 0.05), y


@cache
def digits() -> Data:
    """Counts in an array without names, ten classes, made smaller."""
    x, y = datasets.load_digits(return_X_y=True)
    return x[:600, 10:30], y[:600]


@cache
def penguins() -> Data:
    """Numbers and words, both with missing values; three species."""
    frame = load_penguins()
    return frame.drop(columns="species"), frame["species"]


@cache
def adelie() -> Data:
    x, species = penguins()
    return x, (species == "Adelie").to_numpy()


@cache
def penguins_by_category() -> Data:
    x, species = penguins()
    return x.astype({"island": "category", "sex": "category"}), species


@cache
def complete_penguins() -> Data:
    frame = load_penguins().dropna()
    return frame.drop(columns="species"), frame["species"]


def columns(numbers: Any, words: Any, **options: Any) -> compose.ColumnTransformer:
    return compose.ColumnTransformer([("numbers", numbers, MEASURES), ("words", words, WORDS)], **options)


def filled(encoder: Any) -> Any:
    return make_pipeline(impute.SimpleImputer(strategy="most_frequent"), encoder)


def one_hot(**options: Any) -> Any:
    return preprocessing.OneHotEncoder(**{"handle_unknown": "ignore", **options})


def standard(estimator: Any) -> Any:
    return make_pipeline(preprocessing.StandardScaler(), estimator)


def with_words(encoder: Any, estimator: Any = None) -> Any:
    numbers = make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler())
    return make_pipeline(columns(numbers, encoder), estimator or linear_model.LogisticRegression())


def with_step(step: Any, estimator: Any = None) -> Any:
    return make_pipeline(step, estimator or linear_model.LogisticRegression(max_iter=200))


def classifiers() -> dict[str, Callable[[], Any]]:
    return {
        "logistic": lambda: standard(linear_model.LogisticRegression()),
        "logistic-cv": lambda: standard(linear_model.LogisticRegressionCV(cv=3, Cs=3)),
        "ridge-classifier": lambda: standard(linear_model.RidgeClassifier()),
        "perceptron": lambda: standard(linear_model.Perceptron()),
        "sgd-hinge": lambda: standard(linear_model.SGDClassifier(random_state=0)),
        "sgd-log": lambda: standard(linear_model.SGDClassifier(loss="log_loss", random_state=0)),
        "sgd-huber": lambda: standard(linear_model.SGDClassifier(loss="modified_huber", random_state=0)),
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
        "one-vs-rest": lambda: standard(multiclass.OneVsRestClassifier(linear_model.LogisticRegression())),
        "one-vs-rest-trees": lambda: multiclass.OneVsRestClassifier(tree.DecisionTreeClassifier(max_depth=3)),
        "gaussian-bayes": naive_bayes.GaussianNB,
        "multinomial-bayes": lambda: with_step(preprocessing.MinMaxScaler(clip=True), naive_bayes.MultinomialNB()),
        "complement-bayes": lambda: with_step(preprocessing.MinMaxScaler(clip=True), naive_bayes.ComplementNB()),
        "bernoulli-bayes": lambda: standard(naive_bayes.BernoulliNB()),
        "lda": discriminant_analysis.LinearDiscriminantAnalysis,
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
        "nu-svc": lambda: standard(svm.NuSVC(nu=0.2)),
        "search": lambda: model_selection.GridSearchCV(
            standard(linear_model.LogisticRegression()), {"logisticregression__C": [0.1, 1.0]}, cv=3
        ),
        "random-search": lambda: model_selection.RandomizedSearchCV(
            tree.DecisionTreeClassifier(random_state=0), {"max_depth": [2, 4]}, n_iter=2, cv=3, random_state=0
        ),
        "dummy": lambda: dummy.DummyClassifier(strategy="prior"),
    }


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
        "boosting-zero": lambda: ensemble.GradientBoostingClassifier(init="zero", n_estimators=10, random_state=0),
    }


def regressors() -> dict[str, Callable[[], Any]]:
    return {
        "linear": linear_model.LinearRegression,
        "ridge": lambda: standard(linear_model.RidgeCV()),
        "lasso": lambda: standard(linear_model.LassoCV(cv=3)),
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


def after(build: Callable[[Any], Any], make: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: build(make())


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
        "ordinal-refusing": lambda: filled(ordinal()),
    }


def mixed() -> dict[str, Case]:
    scaled = make_pipeline(impute.SimpleImputer(strategy="median"), preprocessing.StandardScaler())
    flagged = impute.SimpleImputer(add_indicator=True)
    trees: dict[str, Callable[[], Any]] = {
        "forest": lambda: ensemble.RandomForestClassifier(n_estimators=15, random_state=0),
        "boosting": lambda: ensemble.GradientBoostingClassifier(n_estimators=15, random_state=0),
        "hist": lambda: ensemble.HistGradientBoostingClassifier(max_iter=15),
    }

    def with_trees(estimator: Any) -> Any:
        return make_pipeline(columns(scaled, filled(one_hot())), estimator)

    cases = {f"penguins/{name}": Case(after(with_trees, make), penguins) for name, make in trees.items()}
    cases |= {
        "penguins/remainder": Case(
            lambda: make_pipeline(
                columns(scaled, filled(one_hot()), remainder="passthrough"), linear_model.LogisticRegression()
            ),
            penguins,
        ),
        "penguins/indicator": Case(
            lambda: make_pipeline(
                columns(flagged, filled(one_hot())), ensemble.RandomForestClassifier(n_estimators=9, random_state=0)
            ),
            penguins,
        ),
        "penguins/weights": Case(
            lambda: make_pipeline(
                columns(scaled, filled(one_hot()), transformer_weights={"numbers": 0.5}),
                linear_model.LogisticRegression(),
            ),
            penguins,
        ),
        "penguins/nested": Case(
            lambda: make_pipeline(
                compose.ColumnTransformer(
                    [
                        ("inner", columns(scaled, filled(one_hot())), [*WORDS, *MEASURES]),
                        ("year", "passthrough", ["year"]),
                    ]
                ),
                preprocessing.StandardScaler(),
                linear_model.LogisticRegression(),
            ),
            penguins,
        ),
        "penguins/bool-classes": Case(
            lambda: make_pipeline(columns(scaled, filled(one_hot())), linear_model.LogisticRegression()), adelie
        ),
        "penguins/year-as-category": Case(
            lambda: make_pipeline(
                compose.ColumnTransformer([("n", scaled, MEASURES), ("y", one_hot(), ["year"])]),
                linear_model.LogisticRegression(),
            ),
            complete_penguins,
        ),
        "penguins/hist-from-dtype": Case(
            lambda: ensemble.HistGradientBoostingClassifier(max_iter=15, categorical_features="from_dtype"),
            penguins_by_category,
        ),
        "penguins/hist-words": Case(
            lambda: ensemble.HistGradientBoostingClassifier(max_iter=15, categorical_features=WORDS), penguins
        ),
        "adelie/target-encoder": Case(lambda: with_words(preprocessing.TargetEncoder(random_state=0)), adelie),
        "penguins/hist-categories": Case(
            lambda: make_pipeline(
                columns("passthrough", ordinal_codes(), verbose_feature_names_out=False).set_output(transform="pandas"),
                ensemble.HistGradientBoostingClassifier(max_iter=15, categorical_features=WORDS),
            ),
            penguins,
        ),
    }
    return cases


def ordinal_codes() -> Any:
    return preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)


def with_gaps() -> dict[str, Case]:
    return {
        "gaps/imputed": Case(
            lambda: make_pipeline(
                impute.SimpleImputer(), preprocessing.StandardScaler(), linear_model.LogisticRegression()
            ),
            tumours_with_gaps,
        ),
        "gaps/tree": Case(lambda: tree.DecisionTreeClassifier(max_depth=6, random_state=0), tumours_with_gaps),
        "gaps/forest": Case(
            lambda: ensemble.RandomForestClassifier(n_estimators=10, random_state=0), tumours_with_gaps
        ),
        "gaps/hist": Case(lambda: ensemble.HistGradientBoostingClassifier(max_iter=15), tumours_with_gaps),
        "gaps/hist-scaled": Case(
            lambda: standard(ensemble.HistGradientBoostingClassifier(max_iter=15)), tumours_with_gaps
        ),
        "gaps/regressor": Case(lambda: ensemble.HistGradientBoostingRegressor(max_iter=15), diabetes_with_gaps),
        "gaps/bagging": Case(lambda: ensemble.BaggingRegressor(n_estimators=4, random_state=0), diabetes_with_gaps),
    }


def all_cases() -> dict[str, Case]:
    """Every case by its name, `family/data`."""
    cases = {f"wine/{name}": Case(make, wine) for name, make in classifiers().items()}
    cases |= {f"tumours/{name}": Case(make, tumours) for name, make in classifiers().items()}
    cases |= {f"tumours/{name}": Case(make, tumours) for name, make in binary_classifiers().items()}
    cases |= {
        "digits/forest": Case(lambda: ensemble.RandomForestClassifier(n_estimators=10, random_state=0), digits),
        "digits/one-vs-one": Case(lambda: multiclass.OneVsOneClassifier(linear_model.LogisticRegression()), digits),
        "digits/multinomial": Case(naive_bayes.MultinomialNB, digits),
        "digits/svc": Case(svm.SVC, digits),
    }
    cases |= {f"diabetes/{name}": Case(make, diabetes) for name, make in regressors().items()}
    cases |= {f"steps/{name}": Case(after(with_step, make), wine) for name, make in number_steps().items()}
    cases |= {f"words/{name}": Case(after(with_words, make), penguins) for name, make in word_steps().items()}
    return {**cases, **mixed(), **with_gaps()}
