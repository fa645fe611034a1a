"""LitServe's API class around the joblib model."""

import os
import sys
from typing import Any

import joblib
import litserve
import pandas as pd


# LitServe reads the annotation of `request`, which must be no text: it then takes the body as JSON.
class Api(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe says where
        self.model = joblib.load(os.environ["MODEL"])

    def decode_request(self, request: dict[str, Any]) -> dict[str, Any]:
        return request

    def batch(self, rows: list[dict[str, Any]]) -> pd.DataFrame:
        return pd.DataFrame(rows)

    def predict(self, rows: pd.DataFrame) -> Any:
        return self.model.predict_proba(rows)

    def unbatch(self, probabilities: Any) -> Any:
        return list(probabilities)

    def encode_response(self, probabilities: Any) -> dict[str, Any]:
        return {"label": int(probabilities.argmax()), "probabilities": probabilities.tolist()}


if __name__ == "__main__":
    api = Api(max_batch_size=64, batch_timeout=0.001)
    litserve.LitServer(api, accelerator="cpu", workers_per_device=1).run(
        port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False, log_level="warning"
    )
