"""What is sent to a release, and what is made of its figures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mldeploy.config import Config
from mldeploy.errors import UsageError
from mldeploy.loadtest.report import Target, summarize
from mldeploy.loadtest.samples import Load, Samples
from mldeploy.loadtest.subject import Comparison, OnHost, anywhere, bundle_for, record
from mldeploy.release.loadtests import UnderTest
from tests.integration.bundles import linear_bundle
from tests.unit.local_executor import LocalExecutor
from tests.unit.release.test_ledger import InFolder, Writer

if TYPE_CHECKING:
    from pathlib import Path

ANYWHERE = anywhere("http://127.0.0.1/predict", None)
LOAD = Load("http://127.0.0.1/predict", rate=100, duration_s=10)


def serving(release: str, bundle_id: str, folder: Path) -> OnHost:
    tested = UnderTest(InFolder(str(folder)), release, "1.0.0", bundle_id)
    return OnHost("here", LocalExecutor(), tested, None, rejects_unseen=False)


def test_the_rows_are_those_of_the_bundle_that_serves_not_of_a_newer_one(tmp_path: Path) -> None:
    old = linear_bundle(tmp_path, name="older")
    new = linear_bundle(tmp_path, name="newer", weight=4.0)
    config = Config(build_dir=tmp_path)
    assert bundle_for(ANYWHERE, config, None).path == new.path
    on_host = replace(ANYWHERE, on_host=serving("r1", old.manifest.bundle_id, tmp_path))
    assert bundle_for(on_host, config, None).path == old.path
    (new.path / "manifest.json").write_text("damaged")
    assert bundle_for(on_host, config, None).path == old.path
    with pytest.raises(UsageError, match="the bundle of r2, which serves, is not in") as failure:
        bundle_for(replace(ANYWHERE, on_host=serving("r2", "1" * 64, tmp_path)), config, None)
    assert "--bundle" in failure.value.remedy


def measure(where: OnHost, latency_s: float, failed: int) -> Comparison | None:
    """Record a run of which so many requests failed, and compare it with the one before."""
    due = LOAD.due_times()
    kind = (np.arange(len(due)) < failed).astype(np.int16)
    samples = Samples(due, due, due + latency_s, kind, ("", "HTTP 503"), complete=True)
    return record(where, LOAD, samples, summarize(LOAD, samples, Target(0.1, max_error_rate=0.01)))


@pytest.mark.parametrize(("first", "second", "compared"), [(0, 10, True), (0, 900, False), (900, 0, False)])
def test_a_release_that_sheds_its_load_is_no_better_than_one_that_answers(
    first: int, second: int, compared: bool, tmp_path: Path
) -> None:
    writer = Writer()
    ledger = tmp_path / "ledger.jsonl"
    writer.ship("r1", None)
    ledger.write_text("\n".join(writer.lines) + "\n")
    assert measure(serving("r1", "0" * 64, tmp_path), 0.02, first) is None
    writer.lines = ledger.read_text().splitlines()
    writer.ship("r2", "r1")
    ledger.write_text("\n".join(writer.lines) + "\n")
    assert (measure(serving("r2", "0" * 64, tmp_path), 0.01, second) is not None) == compared
