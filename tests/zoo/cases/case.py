"""One case of the zoo, and how its models are put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sklearn import compose, impute, linear_model, preprocessing
from sklearn.pipeline import make_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.zoo.cases.data import Data

WORDS = ["island", "sex"]
MEASURES = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]


@dataclass(frozen=True)
class Case:
    """An unfitted model and the data it is trained on.

    `refused` is what the error says where no exact graph is written, so that the original must be served itself.
    """

    model: Callable[[], Any]
    data: Callable[[], Data]
    refused: str = ""


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


def after(build: Callable[[Any], Any], make: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: build(make())
