"""BentoML's service class around the ONNX graph."""

from __future__ import annotations

from typing import Any

import bentoml

from bench.peers.graph import open_graph, predict_row


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Service:
    def __init__(self) -> None:
        self.session = open_graph()

    @bentoml.api
    async def predict(self, row: dict[str, Any]) -> dict[str, Any]:
        return predict_row(self.session, row)
