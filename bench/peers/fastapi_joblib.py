"""The common tutorial: FastAPI, a pydantic model of a row, the joblib model behind a plain `def` endpoint."""

from __future__ import annotations

import json
import os
from typing import Any

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import create_model

model = joblib.load(os.environ["MODEL"])
types = {"number": float, "text": str}
fields: dict[str, Any] = {name: (types[kind], ...) for name, kind in json.loads(os.environ["FIELDS"]).items()}
Row: Any = create_model("Row", **fields)
app = FastAPI()


@app.post("/predict")
def predict(row: Row) -> dict[str, Any]:
    probabilities = model.predict_proba(pd.DataFrame([row.model_dump()]))[0]
    return {"label": int(probabilities.argmax()), "probabilities": probabilities.tolist()}


@app.post("/predict_rows")
def predict_rows(rows: list[Row]) -> dict[str, Any]:
    probabilities = model.predict_proba(pd.DataFrame([row.model_dump() for row in rows]))
    return {"labels": probabilities.argmax(axis=1).tolist(), "probabilities": probabilities.tolist()}
