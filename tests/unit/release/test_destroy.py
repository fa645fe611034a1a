"""Destroy removes an app that is there, and nothing else can be meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mldeploy.config import Config
from mldeploy.errors import UsageError
from mldeploy.host.layout import AppFolder
from mldeploy.release import destroy as destroying
from mldeploy.release.destroy import destroy, require_there
from tests.unit.local_executor import LocalExecutor

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "*", "-r", "caddy", "lock", "prepared", "churn\n"])
def test_what_is_no_name_of_an_app_never_reaches_a_host(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destroying, "connect", lambda *_: pytest.fail("a host was reached"))
    with pytest.raises(UsageError, match="is no name for an app"):
        destroy(name, "prod", Config(), with_ledger=True, report=lambda _: None)


def test_an_app_that_is_not_there_is_refused_and_those_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destroying, "ROOT", str(tmp_path))
    for name in ("caddy", "lock", "prepared", "churn"):
        (tmp_path / name).mkdir()
    require_there(LocalExecutor(), AppFolder("churn"))
    with pytest.raises(UsageError, match="there is no app chrun") as failure:
        require_there(LocalExecutor(), AppFolder("chrun"))
    assert failure.value.cause == "it has churn"
