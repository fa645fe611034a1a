"""BentoML's service class around the joblib model."""

from __future__ import annotations

import os
from typing import Any

import bentoml
import joblib
import pandas as pd


@bentoml.service(workers=1)
class Service:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api
    def predict(self, row: dict[str, Any]) -> dict[str, Any]:
        probabilities = self.model.predict_proba(pd.DataFrame([row]))[0]
        return {"label": int(probabilities.argmax()), "probabilities": probabilities.tolist()}
