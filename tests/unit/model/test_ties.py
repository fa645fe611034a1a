"""Answers that hang on the order of the training rows are told from those that follow from what was learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mldeploy.model.child.answers import answer_rows

# Two training rows at 0, of either class: which of them is the nearest of a row there is an accident.
TRAINED_ON = np.array([[0.0], [0.0], [1.0], [1.2], [5.0], [5.1]])
CLASSES = np.array([0, 1, 1, 1, 0, 0])
FIELDS = [{"name": "x", "dtype": "float", "missing_is_none": False, "categories": None}]


def answered(model: Any, *values: float) -> Any:
    return answer_rows(model, "classifier", FIELDS, {"x": list(values)})[1]


@pytest.mark.parametrize("algorithm", ["brute", "kd_tree", "ball_tree"])
def test_a_tie_between_classes_is_undecided(algorithm: str) -> None:
    model = make_pipeline(StandardScaler(), KNeighborsClassifier(1, algorithm=algorithm)).fit(TRAINED_ON, CLASSES)
    assert answered(model, 0.0, 1.05, 4.9)["undecided"] == [0]


def test_a_tie_within_one_class_is_decided() -> None:
    model = KNeighborsClassifier(1).fit(TRAINED_ON, [1, 1, 1, 1, 0, 0])
    assert answered(model, 0.0, 1.05)["undecided"] == []


def test_the_model_answers_as_before_afterwards() -> None:
    model = KNeighborsClassifier(1).fit(TRAINED_ON, CLASSES)
    before = model.predict_proba([[0.0], [3.0]])
    answered(model, 0.0, 3.0)
    np.testing.assert_array_equal(model.predict_proba([[0.0], [3.0]]), before)
