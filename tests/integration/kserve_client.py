"""Ask a server with KServe's own client: run by the Python of an environment that has it, as
`kserve_client.py BASE_URL MODEL KEY`. Prints one JSON object."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

ROWS = 3
COLUMNS: dict[str, tuple[str, Any]] = {
    "age": ("FP64", np.array([42.0, np.nan, 20.0])),
    "plan": ("BYTES", np.array(["pro", "gold", "free"], dtype=object)),
    "member": ("BOOL", np.array([True, False, False])),
}


def inputs(*, binary: bool) -> list[InferInput]:
    made = []
    for name, (datatype, values) in COLUMNS.items():
        tensor = InferInput(name, [ROWS], datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        made.append(tensor)
    return made


async def ask(url: str, model: str, key: str) -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    headers = {"Authorization": f"Bearer {key}"}
    found: dict[str, Any] = {
        "live": await client.is_server_live(url, headers=headers),
        "ready": await client.is_model_ready(url, model, headers=headers),
    }
    for form in ("json", "binary"):
        request = InferRequest(model, inputs(binary=form == "binary"))
        answer = await client.infer(url, request, model, headers=dict(headers))
        outputs = {output.name: output.as_numpy() for output in answer.outputs}
        found[form] = outputs["probabilities"].reshape(ROWS, 2)[:, 1].tolist()
    try:
        await client.infer(url, InferRequest(model, inputs(binary=True)), model)
    except httpx.HTTPStatusError as refused:
        found["refused"] = str(refused)
    await client.close()
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(ask(*sys.argv[1:]))))
