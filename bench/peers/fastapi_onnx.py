"""The tutorial again, by a careful hand: onnxruntime in the place of the model, in an `async def` endpoint."""

from __future__ import annotations

import json
import os
from typing import Any

from fastapi import FastAPI
from pydantic import create_model

from bench.peers.graph import open_graph, predict_row

session = open_graph()
types = {"number": float, "text": str}
fields: dict[str, Any] = {name: (types[kind], ...) for name, kind in json.loads(os.environ["FIELDS"]).items()}
Row: Any = create_model("Row", **fields)
app = FastAPI()


@app.post("/predict")
async def predict(row: Row) -> dict[str, Any]:
    return predict_row(session, row.model_dump())
