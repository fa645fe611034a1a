"""LitServe's API class around the joblib model."""

from __future__ import annotations

import os
import sys
from typing import Any

import joblib
import litserve
import pandas as pd


class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe says where
        self.model = joblib.load(os.environ["MODEL"])

    def decode_request(self, request: dict[str, Any]) -> pd.DataFrame:
        return pd.DataFrame([request])

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.model.predict_proba(rows)[0]

    def encode_response(self, probabilities: Any) -> dict[str, Any]:
        return {"label": int(probabilities.argmax()), "probabilities": probabilities.tolist()}


if __name__ == "__main__":
    litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1).run(
        port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False, log_level="warning"
    )
