"""The tutorial again, by a careful hand: onnxruntime in the place of the model, in an `async def` endpoint."""

from __future__ import annotations

import os
from typing import Any

import pandas as pd
from fastapi import FastAPI
from pydantic import create_model

from bench.peers.graph import open_graph, predict_row

session = open_graph()
types = pd.read_parquet(os.environ["SAMPLE"]).dtypes
fields: dict[str, Any] = {str(name): (float if kind.kind == "f" else str, ...) for name, kind in types.items()}
Row: Any = create_model("Row", **fields)
app = FastAPI()


@app.post("/predict")
async def predict(row: Row) -> dict[str, Any]:
    return predict_row(session, row.model_dump())
