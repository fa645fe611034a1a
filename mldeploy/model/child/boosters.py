"""A booster of xgboost or LightGBM that was saved by itself, answering as an estimator does.

Its `predict` gives one number a row, or one a class. Where its objective makes these probabilities, it is a
classifier of the classes 0, 1, ...: of two the second above a half, else the first most probable one.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np


class BoosterModel:
    """What all have in common; `names` are None where the training data had none."""

    def __init__(self, booster: Any, names: list[str] | None, width: int) -> None:
        self.booster = booster
        self.feature_names_in_ = None if names is None else np.array(names, dtype=object)
        self.n_features_in_ = width

    def answer(self, rows: Any) -> np.ndarray:
        return np.asarray(self.booster.predict(rows))


class _Regressor(BoosterModel):
    _estimator_type = "regressor"

    def predict(self, rows: Any) -> np.ndarray:
        return self.answer(rows)


class _Classifier(BoosterModel):
    _estimator_type = "classifier"

    def __init__(self, booster: Any, names: list[str] | None, width: int, classes: int) -> None:
        super().__init__(booster, names, width)
        self.n_classes_ = classes
        self.classes_ = np.arange(classes)

    def predict(self, rows: Any) -> np.ndarray:
        shares = self.predict_proba(rows)
        return (shares[:, 1] > 0.5).astype(np.int64) if self.n_classes_ == 2 else shares.argmax(axis=1)

    def predict_proba(self, rows: Any) -> np.ndarray:
        answered = self.answer(rows)
        return np.column_stack([1 - answered, answered]) if answered.ndim == 1 else answered


class _XGBoost(BoosterModel):
    def get_booster(self) -> Any:
        return self.booster

    def answer(self, rows: Any) -> np.ndarray:
        import xgboost

        return super().answer(xgboost.DMatrix(rows, enable_categorical=True, nthread=1))


class _LightGBM(BoosterModel):
    @property
    def booster_(self) -> Any:
        return self.booster


class XGBoostRegressor(_XGBoost, _Regressor):
    pass


class XGBoostClassifier(_XGBoost, _Classifier):
    pass


class LightGBMRegressor(_LightGBM, _Regressor):
    pass


class LightGBMClassifier(_LightGBM, _Classifier):
    pass


def adapted(model: Any) -> Any:
    """The model itself, or, where it is a bare booster, what answers for it."""
    if type(model) is _class("xgboost", "Booster"):
        learner = json.loads(model.save_config())["learner"]
        names, width = model.feature_names, model.num_features()
        if learner["objective"]["name"] in ("binary:logistic", "multi:softprob"):
            return XGBoostClassifier(model, names, width, max(2, int(learner["learner_model_param"]["num_class"])))
        return XGBoostRegressor(model, names, width)
    if type(model) is _class("lightgbm", "Booster"):
        saved = model.dump_model(num_iteration=1)
        width = model.num_feature()
        given = model.feature_name()
        names = None if given == [f"Column_{place}" for place in range(width)] else given
        if saved.get("objective", "none").split()[0] in ("binary", "multiclass", "multiclassova"):
            return LightGBMClassifier(model, names, width, max(2, saved["num_class"]))
        return LightGBMRegressor(model, names, width)
    return model


def _class(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, None)
