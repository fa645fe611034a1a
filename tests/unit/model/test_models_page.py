"""The examples of how an estimator is added are the code itself."""

from __future__ import annotations

import textwrap
from pathlib import Path

import mldeploy

ROOT = Path(mldeploy.__file__).parents[1]


def test_the_examples_stand_in_the_emitter_as_the_page_shows_them() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    section = page.partition("## Adding an estimator")[2].partition("\n## ")[0]
    examples = [textwrap.dedent(part).strip() for part in section.split("\n\n") if part.startswith("    @")]
    modules = [path.read_text(encoding="utf-8") for path in (ROOT / "mldeploy/model/child/emit").glob("*.py")]
    assert len(examples) == 2
    assert [example for example in examples if not any(example in module for module in modules)] == []
