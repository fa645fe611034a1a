"""Whole pipelines on tables of numbers and words, and models that take missing values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import compose, ensemble, impute, linear_model, preprocessing, tree
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.pipeline import FeatureUnion, make_pipeline

from tests.zoo.cases.case import MEASURES, WORDS, Case, after, columns, filled, one_hot, standard, with_words
from tests.zoo.cases.data import (
    adelie,
    complete_penguins,
    diabetes_with_gaps,
    penguins,
    penguins_by_category,
    tumours_with_gaps,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def cases() -> dict[str, Case]:
    return {**mixed(), **with_gaps()}


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
        "penguins/remainder-estimator": Case(
            lambda: make_pipeline(
                compose.ColumnTransformer(
                    [("words", filled(one_hot()), WORDS)], remainder=scaled, verbose_feature_names_out=False
                ).set_output(transform="default"),
                linear_model.LogisticRegression(),
            ),
            penguins,
        ),
        "penguins/by-type": Case(
            lambda: make_pipeline(
                compose.make_column_transformer(
                    (scaled, compose.make_column_selector(dtype_include="number")),
                    (filled(one_hot()), compose.make_column_selector(dtype_exclude="number")),
                ),
                linear_model.LogisticRegression(),
            ),
            penguins,
        ),
        "penguins/places": Case(
            lambda: make_pipeline(
                compose.ColumnTransformer(
                    [("n", scaled, slice(1, 5)), ("w", filled(one_hot()), [0, -2]), ("no", "drop", [6])]
                ),
                linear_model.LogisticRegression(),
            ),
            penguins,
        ),
        "penguins/frames": Case(
            lambda: make_pipeline(
                columns(scaled, filled(one_hot(sparse_output=False)), verbose_feature_names_out=True),
                preprocessing.PolynomialFeatures(2, interaction_only=True),
                preprocessing.MaxAbsScaler(),
                linear_model.LogisticRegression(max_iter=300),
            ).set_output(transform="pandas"),
            penguins,
        ),
        "penguins/union": Case(
            lambda: make_pipeline(
                FeatureUnion(
                    [
                        ("numbers", compose.ColumnTransformer([("n", scaled, MEASURES)])),
                        ("words", compose.ColumnTransformer([("w", filled(one_hot()), WORDS)])),
                        ("nothing", "drop"),
                    ],
                    transformer_weights={"words": 0.3},
                ),
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


def imputed(imputer: Any) -> Any:
    return make_pipeline(imputer, preprocessing.StandardScaler(), linear_model.LogisticRegression())


def imputers() -> dict[str, Callable[[], Any]]:
    iterative = impute.IterativeImputer
    return {
        "imputed-nearest": impute.KNNImputer,
        "imputed-nearest-weighted": lambda: impute.KNNImputer(n_neighbors=3, weights="distance", add_indicator=True),
        "imputed-iterative": lambda: iterative(max_iter=2, n_nearest_features=4, random_state=0, tol=10),
        "imputed-iterative-trees": lambda: iterative(
            tree.DecisionTreeRegressor(max_depth=3, random_state=0), max_iter=1, tol=10, add_indicator=True
        ),
        "missing-flags": lambda: FeatureUnion(
            [("values", impute.SimpleImputer(strategy="median")), ("flags", impute.MissingIndicator(features="all"))]
        ),
    }


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
        **{f"gaps/{name}": Case(after(imputed, make), tumours_with_gaps) for name, make in imputers().items()},
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
