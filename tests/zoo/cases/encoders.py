"""category_encoders and imbalanced-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import category_encoders
from imblearn import ensemble as balanced
from imblearn import over_sampling, under_sampling
from imblearn.pipeline import make_pipeline as make_resampling
from sklearn import ensemble, impute, linear_model, preprocessing
from sklearn.pipeline import make_pipeline

from tests.zoo.cases import data
from tests.zoo.cases.case import WORDS, Case, columns, filled, one_hot, with_words

if TYPE_CHECKING:
    from collections.abc import Callable

PLAIN = (
    *("BackwardDifference", "BaseN", "Binary", "Count", "Gray", "Helmert", "OneHot", "Ordinal", "Polynomial"),
    *("RankHot", "Sum"),
)
WITH_TARGET = ("CatBoost", "JamesStein", "LeaveOneOut", "MEstimate", "Quantile", "Summary", "Target", "WOE")


def encoder(name: str, **options: Any) -> Any:
    return getattr(category_encoders, f"{name}Encoder")(**options)


def plain(name: str) -> Callable[[], Any]:
    return lambda: with_words(encoder(name))


def filling(name: str) -> Callable[[], Any]:
    """An encoder that answers a missing value with NaN, which is filled."""
    return lambda: with_words(make_pipeline(encoder(name), impute.SimpleImputer()))


def category_encoder_cases() -> dict[str, Case]:
    cases = {
        **{f"category-encoders/{name.lower()}": Case(plain(name), data.penguins) for name in PLAIN},
        **{f"category-encoders/{name.lower()}": Case(filling(name), adelie_numbered) for name in WITH_TARGET},
    }
    return {
        **cases,
        "category-encoders/whole-table": Case(
            lambda: make_pipeline(
                encoder("Target"), preprocessing.StandardScaler(), ensemble.HistGradientBoostingClassifier(max_iter=9)
            ),
            adelie_numbered,
        ),
        "category-encoders/one-hot-table": Case(
            lambda: make_pipeline(
                encoder("OneHot", use_cat_names=True, cols=WORDS), impute.SimpleImputer(), linear_model.Ridge()
            ),
            adelie_numbered,
        ),
        "category-encoders/missing-returned": Case(
            lambda: make_pipeline(
                encoder("Ordinal", handle_missing="return_nan", handle_unknown="return_nan"),
                ensemble.HistGradientBoostingClassifier(max_iter=9),
            ),
            data.penguins,
        ),
        "category-encoders/unseen-refused": Case(
            lambda: with_words(encoder("Count", handle_unknown="error")), data.penguins
        ),
        "category-encoders/numbers": Case(
            lambda: make_pipeline(
                encoder("Target", cols=["year"]), impute.SimpleImputer(), ensemble.RandomForestClassifier(9)
            ),
            lambda: (adelie_numbered()[0].drop(columns=WORDS), adelie_numbered()[1]),
        ),
        "category-encoders/hashing": Case(
            lambda: with_words(encoder("Hashing", max_process=1)), data.penguins, "HashingEncoder has no exact emitter"
        ),
    }


def adelie_numbered() -> data.Data:
    x, adelie = data.adelie()
    return x, adelie.astype(int)


def imbalanced_cases() -> dict[str, Case]:
    def resampled(sampler: Any, *steps: Any) -> Any:
        numbers = make_pipeline(impute.SimpleImputer(), preprocessing.StandardScaler())
        return make_resampling(columns(numbers, filled(one_hot())), sampler, *steps)

    logistic = linear_model.LogisticRegression
    return {
        "imbalanced/smote": Case(
            lambda: resampled(over_sampling.SMOTE(random_state=0), logistic()),
            data.penguins,
        ),
        "imbalanced/under": Case(
            lambda: resampled(
                under_sampling.RandomUnderSampler(random_state=0), preprocessing.MaxAbsScaler(), logistic()
            ),
            data.penguins,
        ),
        "imbalanced/forest": Case(
            lambda: balanced.BalancedRandomForestClassifier(9, random_state=0, n_jobs=1), data.tumours
        ),
        "imbalanced/forest-three": Case(
            lambda: balanced.BalancedRandomForestClassifier(9, random_state=0, n_jobs=1), data.wine
        ),
        "imbalanced/bagging": Case(
            lambda: balanced.BalancedBaggingClassifier(n_estimators=5, random_state=0), data.wine
        ),
        "imbalanced/easy-ensemble": Case(
            lambda: balanced.EasyEnsembleClassifier(n_estimators=3, random_state=0), data.tumours
        ),
        "imbalanced/boosting": Case(lambda: balanced.RUSBoostClassifier(n_estimators=9, random_state=0), data.tumours),
        "imbalanced/boosting-three": Case(
            lambda: balanced.RUSBoostClassifier(n_estimators=9, random_state=0), data.wine
        ),
    }


def cases() -> dict[str, Case]:
    return {**category_encoder_cases(), **imbalanced_cases()}
