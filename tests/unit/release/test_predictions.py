"""Logged predictions are fetched as they are on the host, those of the time asked for."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from mldeploy.host import layout
from mldeploy.host.layout import AppFolder
from mldeploy.release.predictions import pull_predictions
from tests.unit.local_executor import LocalExecutor

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86400


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppFolder:
    monkeypatch.setattr(layout, "ROOT", str(tmp_path / "host"))
    return AppFolder("churn")


def test_the_files_of_the_last_days_come_by_release(folder: AppFolder, tmp_path: Path) -> None:
    written = {"r1/old.jsonl": 9, "r1/new.jsonl": 1, "r2/live.jsonl": 0}
    for name, age_days in written.items():
        path = tmp_path / "host" / "churn" / "predictions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        os.utime(path, (time.time() - age_days * DAY,) * 2)
    out = tmp_path / "out"
    fetched = pull_predictions(LocalExecutor(), folder, 7 * DAY, out)
    assert fetched == [out / "r1" / "new.jsonl", out / "r2" / "live.jsonl"]
    assert fetched[0].read_text() == "r1/new.jsonl"


def test_where_nothing_was_logged_nothing_comes(folder: AppFolder, tmp_path: Path) -> None:
    assert pull_predictions(LocalExecutor(), folder, 7 * DAY, tmp_path / "out") == []
