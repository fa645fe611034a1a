"""Write the JSON Schemas of the contracts, from the modules that read and write them: `python docs/generate.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.bundle import Manifest
from mldeploy.config import Config
from mldeploy.release.ledger import Event

if TYPE_CHECKING:
    from pydantic import BaseModel

FOLDER = Path(__file__).parent / "schemas"
CONTRACTS: dict[str, type[BaseModel]] = {
    "bundle-manifest": Manifest,
    "ledger-event": Event,
    "mldeploy-toml": Config,
}


def schema_text(model: type[BaseModel]) -> str:
    return json.dumps(model.model_json_schema(by_alias=True), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, model in CONTRACTS.items():
        (FOLDER / f"{name}.schema.json").write_text(schema_text(model), encoding="utf-8")


if __name__ == "__main__":
    main()
