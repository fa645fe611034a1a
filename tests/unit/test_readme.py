"""README.md lists the settings, and its example of them is one that works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest
from pydantic import BaseModel

from mldeploy.config import Config, load_config

if TYPE_CHECKING:
    from collections.abc import Iterator

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def settings() -> str:
    block = re.search(r"^```toml\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert block
    return block[1]


def keys_of(model: type[BaseModel]) -> Iterator[str]:
    """The names of all settings, those of groups and of tables by name included."""
    for name, field in model.model_fields.items():
        yield name
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from keys_of(kind)


def test_every_setting_is_listed(settings: str) -> None:
    words = set(re.findall(r"\w+", re.sub(r'"[^"\n]*"', "", settings)))
    assert [key for key in keys_of(Config) if key not in words] == []


def test_the_example_is_accepted(settings: str, tmp_path: Path) -> None:
    (tmp_path / "mldeploy.toml").write_text(settings.replace("…", "A" * 43))
    config = load_config(tmp_path / "mldeploy.toml")
    assert config.watch == Config().watch
    assert config.app.tls.mode == "acme"
