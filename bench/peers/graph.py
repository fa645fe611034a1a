"""An ONNX graph by hand: the one of our bundle, fed with the matrices that it takes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

BUNDLE = Path(os.environ["BUNDLE"])
TENSORS = json.loads((BUNDLE / "manifest.json").read_text())["graph"]["tensors"]
DTYPES = {"float32": np.float32, "float64": np.float64, "int64": np.int64, "bool": np.bool_, "string": np.str_}


def open_graph() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(BUNDLE / "model.onnx"), options)


def predict_row(session: onnxruntime.InferenceSession, row: dict[str, Any]) -> dict[str, Any]:
    feed: dict[str, Any] = {
        tensor["name"]: np.array([[row[field] for field in tensor["fields"]]], DTYPES[tensor["dtype"]])
        for tensor in TENSORS
    }
    label, probabilities = session.run(["label", "probabilities"], feed)
    return {"label": int(label[0]), "probabilities": probabilities[0].tolist()}
