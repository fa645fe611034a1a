"""xgboost, LightGBM and CatBoost, with what they do that scikit-learn does not."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import catboost
import lightgbm
import numpy as np
import xgboost
from sklearn import compose, impute, preprocessing
from sklearn.pipeline import make_pipeline

from tests.zoo.cases import data
from tests.zoo.cases.case import Case, columns, filled, one_hot, standard

if TYPE_CHECKING:
    from collections.abc import Callable


@cache
def tumours_numbered() -> data.Data:
    x, y = data.tumours_with_gaps()
    return x, (y == "malignant").astype(int)


@cache
def penguin_mass() -> data.Data:
    """A number to predict from numbers and pandas' categories, all with missing values."""
    x, species = data.penguins_by_category()
    known = x["body_mass_g"].notna()
    x = x.assign(species=species.astype("category"))[known]
    return x.drop(columns="body_mass_g"), x["body_mass_g"]


@cache
def adelie_by_category() -> data.Data:
    x, species = data.penguins_by_category()
    return x, (species == "Adelie").astype(int)


@cache
def adelie_numbered() -> data.Data:
    x, adelie = data.adelie()
    return x, adelie.astype(int)


@cache
def digits_by_code() -> data.Data:
    """An array whose first columns are codes of categories."""
    x, y = data.digits()
    return x, (y > 4).astype(int)


@cache
def two_outputs() -> data.Data:
    x, _ = data.diabetes()
    return x.iloc[:, 2:], x.iloc[:, :2]


@cache
def penguins_without_gaps() -> data.Data:
    x, _ = data.complete_penguins()
    return x.drop(columns="body_mass_g"), x["body_mass_g"]


@cache
def tumours_in_groups() -> data.Data:
    """To be put in order within groups of a tenth."""
    x, y = tumours_numbered()
    return x, np.asarray(y)


class Ranked:
    """Fits a ranker on ten groups."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, x: Any, y: Any) -> Any:
        sizes = [len(part) for part in np.array_split(y, 10)]
        return self.estimator.fit(x, y, group=sizes)


class Early:
    """Fits an estimator with rows held back, on which training stops."""

    def __init__(self, estimator: Any, **options: Any) -> None:
        self.estimator, self.options = estimator, options

    def fit(self, x: Any, y: Any) -> Any:
        return self.estimator.fit(x.iloc[::2], y[::2], eval_set=[(x.iloc[1::2], y[1::2])], **self.options)


def xgb(kind: str = "XGBClassifier", **options: Any) -> Any:
    return getattr(xgboost, kind)(**{"n_estimators": 12, "max_depth": 4, "n_jobs": 1, "random_state": 0, **options})


def lgb(kind: str = "LGBMClassifier", **options: Any) -> Any:
    usual = {"n_estimators": 12, "num_leaves": 9, "min_child_samples": 5, "n_jobs": 1, "random_state": 0, "verbose": -1}
    return getattr(lightgbm, kind)(**{**usual, **options})


def cat(kind: str, **options: Any) -> Any:
    usual = {"iterations": 12, "depth": 4, "random_seed": 0, "verbose": 0, "thread_count": 1}
    return getattr(catboost, kind)(**{**usual, "allow_writing_files": False, **options})


def xgboost_cases() -> dict[str, Case]:
    def regressor(**options: Any) -> Callable[[], Any]:
        return lambda: xgb("XGBRegressor", **options)

    def sparse_columns() -> Any:
        return columns("passthrough", filled(one_hot()), sparse_threshold=1.0)

    by_category: dict[str, Any] = {"enable_categorical": True, "tree_method": "hist"}
    return {
        "xgboost/two-classes": Case(xgb, tumours_numbered),
        "xgboost/three-classes": Case(xgb, data.wine),
        "xgboost/deep": Case(lambda: xgb(n_estimators=150, max_depth=6), tumours_numbered),
        "xgboost/scaled": Case(lambda: standard(xgb()), tumours_numbered),
        "xgboost/forest": Case(lambda: xgb("XGBRFClassifier"), tumours_numbered),
        "xgboost/forest-three": Case(lambda: xgb("XGBRFClassifier"), data.wine),
        "xgboost/dart": Case(lambda: xgb(booster="dart", rate_drop=0.5), tumours_numbered),
        "xgboost/dart-three": Case(lambda: xgb(booster="dart", rate_drop=0.5), data.wine),
        "xgboost/linear": Case(lambda: xgb(booster="gblinear"), tumours_numbered),
        "xgboost/linear-three": Case(lambda: standard(xgb(booster="gblinear")), data.wine),
        "xgboost/hinge": Case(lambda: xgb(objective="binary:hinge"), tumours_numbered),
        "xgboost/logit-raw": Case(lambda: xgb(objective="binary:logitraw"), tumours_numbered),
        "xgboost/base-score": Case(lambda: xgb(base_score=0.2, gamma=50), tumours_numbered),
        "xgboost/early": Case(
            lambda: Early(xgb(n_estimators=200, early_stopping_rounds=3, learning_rate=1.0), verbose=False),
            tumours_numbered,
        ),
        "xgboost/early-three": Case(
            lambda: Early(xgb(n_estimators=200, early_stopping_rounds=3, num_parallel_tree=2), verbose=False),
            data.wine,
        ),
        "xgboost/early-regressor": Case(
            lambda: Early(xgb("XGBRegressor", n_estimators=200, early_stopping_rounds=3), verbose=False),
            data.diabetes,
        ),
        "xgboost/missing-is-zero": Case(lambda: xgb(missing=0.0), digits_by_code),
        "xgboost/array": Case(xgb, data.digits),
        "xgboost/categories": Case(lambda: xgb(**by_category, max_cat_to_onehot=1), adelie_by_category),
        "xgboost/categories-one-hot": Case(lambda: xgb(**by_category, max_cat_to_onehot=9), adelie_by_category),
        "xgboost/categories-regressor": Case(regressor(**by_category, max_cat_to_onehot=2), penguin_mass),
        "xgboost/categories-dart": Case(regressor(**by_category, booster="dart", rate_drop=0.4), penguin_mass),
        "xgboost/codes": Case(
            lambda: xgb(enable_categorical=True, feature_types=["c"] * 4 + ["q"] * 16, max_cat_to_onehot=1),
            digits_by_code,
        ),
        "xgboost/sparse-columns": Case(lambda: make_pipeline(sparse_columns(), xgb()), adelie_numbered),
        "xgboost/dense-columns": Case(
            lambda: make_pipeline(columns(impute.SimpleImputer(), filled(one_hot(sparse_output=False))), xgb()),
            adelie_numbered,
        ),
        "xgboost/regressor": Case(regressor(), data.diabetes_with_gaps),
        "xgboost/forest-regressor": Case(lambda: xgb("XGBRFRegressor"), data.diabetes),
        "xgboost/poisson": Case(regressor(objective="count:poisson"), data.diabetes),
        "xgboost/gamma": Case(regressor(objective="reg:gamma"), data.diabetes),
        "xgboost/tweedie": Case(regressor(objective="reg:tweedie"), data.diabetes),
        "xgboost/absolute": Case(regressor(objective="reg:absoluteerror"), data.diabetes),
        "xgboost/quantile": Case(regressor(objective="reg:quantileerror", quantile_alpha=0.8), data.diabetes),
        "xgboost/quantiles": Case(
            regressor(objective="reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9]), data.diabetes
        ),
        "xgboost/several-outputs": Case(regressor(), two_outputs),
        "xgboost/pseudo-huber": Case(regressor(objective="reg:pseudohubererror"), data.diabetes),
        "xgboost/log-error": Case(regressor(objective="reg:squaredlogerror"), data.diabetes),
        "xgboost/linear-regressor": Case(regressor(booster="gblinear"), data.diabetes),
        "xgboost/ranker": Case(lambda: Ranked(xgb("XGBRanker")), tumours_in_groups),
        "xgboost/log-target": Case(
            lambda: compose.TransformedTargetRegressor(xgb("XGBRegressor"), func=np.log, inverse_func=np.exp),
            data.diabetes,
        ),
    }


def lightgbm_cases() -> dict[str, Case]:
    def regressor(**options: Any) -> Callable[[], Any]:
        return lambda: lgb("LGBMRegressor", **options)

    bagged: dict[str, Any] = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
    stopping = {"callbacks": [lightgbm.early_stopping(3, verbose=False)]}
    return {
        "lightgbm/two-classes": Case(lgb, data.tumours_with_gaps),
        "lightgbm/three-classes": Case(lgb, data.penguins_numbers),
        "lightgbm/deep": Case(lambda: lgb(n_estimators=150), data.tumours),
        "lightgbm/one-vs-all": Case(lambda: lgb(objective="multiclassova", sigmoid=1.5), data.wine),
        "lightgbm/scaled": Case(lambda: standard(lgb()), data.tumours),
        "lightgbm/forest": Case(lambda: lgb(**bagged), data.tumours_with_gaps),
        "lightgbm/forest-three": Case(lambda: lgb(**bagged), data.wine),
        "lightgbm/dart": Case(lambda: lgb(boosting_type="dart", drop_rate=0.5), data.tumours),
        "lightgbm/goss": Case(lambda: lgb(data_sample_strategy="goss"), data.tumours),
        "lightgbm/early": Case(lambda: Early(lgb(n_estimators=200), **stopping), data.tumours),
        "lightgbm/zero-as-missing": Case(lambda: lgb(zero_as_missing=True), data.digits),
        "lightgbm/no-missing": Case(lambda: lgb(use_missing=False), data.tumours_with_gaps),
        "lightgbm/unbalanced": Case(lambda: lgb(is_unbalance=True, sigmoid=0.7), data.tumours),
        "lightgbm/categories": Case(lambda: lgb(min_data_per_group=5, cat_smooth=1), data.penguins_by_category),
        "lightgbm/categories-one-hot": Case(lambda: lgb(max_cat_to_onehot=9), adelie_by_category),
        "lightgbm/categories-regressor": Case(regressor(min_data_per_group=5), penguin_mass),
        "lightgbm/codes": Case(lambda: lgb(categorical_feature=[0, 1, 2, 3], min_data_per_group=5), digits_by_code),
        "lightgbm/sparse-columns": Case(
            lambda: make_pipeline(
                columns(preprocessing.MaxAbsScaler(), filled(one_hot()), sparse_threshold=1.0), lgb()
            ),
            data.adelie,
        ),
        "lightgbm/linear-tree": Case(regressor(linear_tree=True), data.diabetes),
        "lightgbm/linear-tree-gaps": Case(regressor(linear_tree=True), data.diabetes_with_gaps),
        "lightgbm/linear-tree-classes": Case(lambda: lgb(linear_tree=True), data.penguins_numbers),
        "lightgbm/ranker": Case(lambda: Ranked(lgb("LGBMRanker")), tumours_in_groups),
        "lightgbm/regressor": Case(regressor(), data.diabetes_with_gaps),
        "lightgbm/forest-regressor": Case(regressor(**bagged), data.diabetes),
        "lightgbm/poisson": Case(regressor(objective="poisson"), data.diabetes),
        "lightgbm/gamma": Case(regressor(objective="gamma"), data.diabetes),
        "lightgbm/tweedie": Case(regressor(objective="tweedie"), data.diabetes),
        "lightgbm/absolute": Case(regressor(objective="regression_l1"), data.diabetes),
        "lightgbm/quantile": Case(regressor(objective="quantile", alpha=0.9), data.diabetes),
        "lightgbm/huber": Case(regressor(objective="huber"), data.diabetes),
        "lightgbm/mape": Case(regressor(objective="mape"), data.diabetes),
        "lightgbm/square-root": Case(regressor(reg_sqrt=True), data.diabetes),
    }


class Bare:
    """Fits a booster without an estimator around it."""

    def __init__(self, library: str, rounds: int = 12, **parameters: Any) -> None:
        self.library, self.rounds, self.parameters = library, rounds, parameters

    def fit(self, x: Any, y: Any) -> Any:
        if self.library == "xgboost":
            matrix = xgboost.DMatrix(x, y, enable_categorical=True)
            return xgboost.train({"nthread": 1, "max_depth": 4, **self.parameters}, matrix, self.rounds)
        usual = {"num_threads": 1, "num_leaves": 9, "min_data_in_leaf": 5, "verbose": -1}
        return lightgbm.train({**usual, **self.parameters}, lightgbm.Dataset(x, y), self.rounds)


def bare_cases() -> dict[str, Case]:
    def bare(library: str, **parameters: Any) -> Callable[[], Any]:
        return lambda: Bare(library, **parameters)

    return {
        "xgboost/bare": Case(bare("xgboost", objective="binary:logistic"), tumours_numbered),
        "xgboost/bare-three": Case(bare("xgboost", objective="multi:softprob", num_class=3), data.wine),
        "xgboost/bare-regressor": Case(bare("xgboost"), data.diabetes_with_gaps),
        "xgboost/bare-array": Case(bare("xgboost", objective="binary:logistic"), digits_by_code),
        "xgboost/bare-categories": Case(bare("xgboost", objective="binary:logistic"), adelie_by_category),
        "lightgbm/bare": Case(bare("lightgbm", objective="binary"), tumours_numbered),
        "lightgbm/bare-three": Case(bare("lightgbm", objective="multiclass", num_class=3), data.wine),
        "lightgbm/bare-regressor": Case(bare("lightgbm", objective="poisson"), data.diabetes),
        "lightgbm/bare-array": Case(bare("lightgbm", objective="binary"), digits_by_code),
        "lightgbm/bare-categories": Case(bare("lightgbm", objective="binary"), adelie_by_category),
    }


def catboost_cases() -> dict[str, Case]:
    def classifier(**options: Any) -> Callable[[], Any]:
        return lambda: cat("CatBoostClassifier", **options)

    def regressor(**options: Any) -> Callable[[], Any]:
        return lambda: cat("CatBoostRegressor", **options)

    return {
        "catboost/two-classes": Case(classifier(), data.tumours),
        "catboost/three-classes": Case(classifier(), data.penguins_numbers),
        "catboost/long": Case(classifier(iterations=200, depth=6), data.tumours),
        "catboost/one-vs-all": Case(classifier(loss_function="MultiClassOneVsAll"), data.wine),
        "catboost/numbered": Case(classifier(), tumours_numbered),
        "catboost/missing-last": Case(classifier(nan_mode="Max"), data.tumours_with_gaps),
        "catboost/by-depth": Case(classifier(grow_policy="Depthwise"), data.tumours_with_gaps),
        "catboost/by-loss": Case(classifier(grow_policy="Lossguide", nan_mode="Max"), data.penguins_numbers),
        "catboost/array": Case(classifier(), data.digits),
        "catboost/scaled": Case(lambda: standard(cat("CatBoostClassifier")), data.wine),
        "catboost/words": Case(
            lambda: make_pipeline(columns("passthrough", filled(one_hot())), cat("CatBoostClassifier")), data.adelie
        ),
        "catboost/regressor": Case(regressor(), data.diabetes_with_gaps),
        "catboost/by-depth-regressor": Case(regressor(grow_policy="Depthwise"), data.diabetes),
        "catboost/poisson": Case(regressor(loss_function="Poisson"), data.diabetes),
        "catboost/tweedie": Case(regressor(loss_function="Tweedie:variance_power=1.5"), data.diabetes),
        "catboost/absolute": Case(regressor(loss_function="MAE"), data.diabetes),
        "catboost/quantile": Case(regressor(loss_function="Quantile:alpha=0.9"), data.diabetes),
        "catboost/several-outputs": Case(regressor(loss_function="MultiRMSE"), two_outputs),
        "catboost/categories": Case(
            regressor(cat_features=["island", "sex"], one_hot_max_size=9), penguins_without_gaps, "categorical features"
        ),
        "catboost/uncertainty": Case(
            regressor(loss_function="RMSEWithUncertainty"), data.diabetes, "RMSEWithUncertainty"
        ),
    }


def cases() -> dict[str, Case]:
    return {**xgboost_cases(), **lightgbm_cases(), **catboost_cases(), **bare_cases()}
