"""BentoML's service class around the joblib model."""

from __future__ import annotations

import os
from typing import Any

import bentoml
import joblib
import pandas as pd


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Service:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api(batchable=True)
    def predict(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        probabilities = self.model.predict_proba(pd.DataFrame(rows))
        return [{"label": int(each.argmax()), "probabilities": each.tolist()} for each in probabilities]
