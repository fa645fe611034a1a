"""The published JSON Schemas are those of the code."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import mldeploy

GENERATE = runpy.run_path(str(Path(mldeploy.__file__).parents[1] / "docs" / "generate.py"))


@pytest.mark.parametrize("name", sorted(GENERATE["CONTRACTS"]))
def test_a_published_schema_is_what_the_module_generates(name: str) -> None:
    published = (GENERATE["FOLDER"] / f"{name}.schema.json").read_text(encoding="utf-8")
    assert published == GENERATE["schema_text"](GENERATE["CONTRACTS"][name]), "run: python docs/generate.py"
