"""API keys on a host: hashes alone, never lost to a change made meanwhile."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mldeploy.errors import MldeployError, UsageError
from mldeploy.host import layout
from mldeploy.host.commands import files
from mldeploy.host.executor import Result, Secret, reveal
from mldeploy.host.layout import AppFolder
from mldeploy.release.keys import create_key, has_keys, read_keys, revoke_key
from tests.unit.local_executor import LocalExecutor

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppFolder:
    monkeypatch.setattr(layout, "ROOT", str(tmp_path))
    return AppFolder("churn")


def test_a_key_is_shown_once_and_the_host_holds_its_hash_alone(folder: AppFolder) -> None:
    plain = reveal(create_key(LocalExecutor(), folder, "crm", rate=5))
    assert re.fullmatch(r"mld_[0-9a-f]{8}_[A-Za-z0-9_-]{32}", plain)
    written = Path(folder.keys_file).read_text()
    assert plain[13:] not in written
    (key,) = json.loads(written)["keys"]
    assert key["sha256"] == hashlib.sha256(plain.encode()).hexdigest()
    assert (key["id"], key["name"], key["scopes"], key["rate"]) == (plain[4:12], "crm", ["predict"], 5)


def test_a_revoked_key_is_gone_and_the_others_stay(folder: AppFolder) -> None:
    for name in ("crm", "web"):
        create_key(LocalExecutor(), folder, name)
    revoke_key(LocalExecutor(), folder, "crm")
    assert [key.name for key in read_keys(LocalExecutor(), folder)] == ["web"]
    with pytest.raises(UsageError, match="no key named crm"):
        revoke_key(LocalExecutor(), folder, "crm")


def test_a_name_is_taken_once(folder: AppFolder) -> None:
    create_key(LocalExecutor(), folder, "crm")
    with pytest.raises(UsageError, match="has a key named crm already"):
        create_key(LocalExecutor(), folder, "crm")
    with pytest.raises(UsageError, match="no name for a key"):
        create_key(LocalExecutor(), folder, "Not a name")


def test_an_app_whose_keys_were_all_revoked_had_keys(folder: AppFolder) -> None:
    assert not has_keys(LocalExecutor(), folder)
    create_key(LocalExecutor(), folder, "crm")
    revoke_key(LocalExecutor(), folder, "crm")
    assert has_keys(LocalExecutor(), folder)


class Rival(LocalExecutor):
    """Makes a key of its own between our reading and our writing, once."""

    def __init__(self, folder: AppFolder) -> None:
        self.folder = folder
        self.struck = False

    def run(self, argv: Sequence[str | Secret], **options: Any) -> Result:
        if "swap" in argv and not self.struck:
            self.struck = True
            create_key(LocalExecutor(), self.folder, "theirs")
        return super().run(argv, **options)


def test_a_key_made_by_another_meanwhile_is_not_lost(folder: AppFolder) -> None:
    create_key(Rival(folder), folder, "ours")
    assert {key.name for key in read_keys(LocalExecutor(), folder)} == {"ours", "theirs"}


class MuteHost(LocalExecutor):
    """Writing fails there without a word."""

    def run(self, argv: Sequence[str | Secret], **options: Any) -> Result:
        return Result("", "", 137) if "swap" in argv else super().run(argv, **options)


def test_a_write_that_fails_without_a_word_is_said_with_its_exit_code(folder: AppFolder) -> None:
    with pytest.raises(MldeployError, match="could not be written") as failure:
        create_key(MuteHost(), folder, "crm")
    assert "exit code 137" in failure.value.cause


def test_damaged_keys_are_said_and_not_overwritten(folder: AppFolder) -> None:
    LocalExecutor().run(files.make_folders(folder.keys))
    Path(folder.keys_file).write_text("{")
    with pytest.raises(MldeployError, match="cannot be read"):
        create_key(LocalExecutor(), folder, "crm")
    assert Path(folder.keys_file).read_text() == "{"
