"""mldeploy.toml: what is right is read, what is wrong is named with its key and value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mldeploy.config import Config, load_config
from mldeploy.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, text: str) -> Path:
    path = folder / "mldeploy.toml"
    path.write_text(text)
    return path


def test_without_a_file_all_is_default(tmp_path: Path) -> None:
    assert load_config(tmp_path / "mldeploy.toml") == Config()


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    text = """
        ssh_config = "ssh"
        [hosts.prod]
        address = "203.0.113.7"
        identity_file = "keys/id"
        known_hosts = "/etc/known"
    """
    config = load_config(written(tmp_path, text))
    assert config.ssh_config == tmp_path / "ssh"
    assert str(config.hosts["prod"].identity_file) == str(tmp_path / "keys" / "id")
    assert str(config.hosts["prod"].known_hosts) == "/etc/known"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[app]\nmemroy = '1g'", "app.memroy: there is no such key"),
        ("[app]\nmemory = 'lots'", "app.memory = 'lots'"),
        ("[hosts.prod]\nport = 70000", "hosts.prod.port = 70000"),
        ("[image]\nplatform = 'windows/amd64'", "image.platform = 'windows/amd64'"),
        ("registry = ''", "registry = ''"),
        ("[app]\nname = 'caddy'", "mldeploy keeps things of its own under caddy"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"mldeploy\.toml") as failure:
        load_config(written(tmp_path, text))
    assert said in failure.value.cause
    assert failure.value.exit_code == 2


def test_what_is_not_utf_8_is_said(tmp_path: Path) -> None:
    (tmp_path / "mldeploy.toml").write_bytes('registry = "münchen"'.encode("latin-1"))
    with pytest.raises(UsageError, match=r"mldeploy\.toml cannot be read") as failure:
        load_config(tmp_path / "mldeploy.toml")
    assert "UTF-8" in failure.value.remedy


def test_what_is_not_toml_is_said_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not valid TOML") as failure:
        load_config(written(tmp_path, "registry = \n[app]"))
    assert "line 1" in failure.value.cause
