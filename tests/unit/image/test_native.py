"""The base and the packages of a native bundle's image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mldeploy.image.native import base_with, entries, merged_lock
from mldeploy.image.source import RuntimeSource

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("python:3.13-slim", "python:3.11-slim"),
        ("registry.example/python:3.12-slim-trixie", "registry.example/python:3.11-slim-trixie"),
        ("python:3.13", "python:3.11"),
        ("our/own:7", "our/own:7"),
    ],
)
def test_the_base_is_the_sibling_with_the_originals_python(base: str, expected: str) -> None:
    assert base_with("3.11", base) == expected


def test_the_originals_packages_go_before_the_servers_and_a_graphs_stay_out(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text(
        "fastapi==1.0 \\\n    --hash=sha256:a\n"
        "numpy==2.4 \\\n    --hash=sha256:b\n"
        "onnxruntime==1.31 \\\n    --hash=sha256:c\n"
    )
    merged = merged_lock("numpy==1.26 \\\n    --hash=sha256:d\n", RuntimeSource(tmp_path))
    assert merged == "numpy==1.26 \\\n    --hash=sha256:d\nfastapi==1.0 \\\n    --hash=sha256:a\n"
    assert list(entries(merged)) == ["numpy", "fastapi"]
