"""The most telling of the faults of bench/faults.py: each in the middle of a command, under traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults import FAULTS, Case, prepared, run
from tests.faults.scene import ENTERED, SWITCHED

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.site import Site
    from tests.rig import Rig


@pytest.fixture(scope="module")
def site(rig: Rig, bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Site:
    return prepared(rig, tmp_path_factory.mktemp("site"), bundles)


@pytest.mark.parametrize(
    "case",
    [
        Case(FAULTS["laptop asleep"], "rollback", SWITCHED),
        Case(FAULTS["connection cut"], "ship", ENTERED),
        Case(FAULTS["VM off and on"], "ship", ENTERED),
        Case(FAULTS["ledger torn"], "ship", SWITCHED),
    ],
    ids=str,
)
def test_a_fault_loses_no_request_and_leaves_nothing_that_the_next_commands_do_not_mend(site: Site, case: Case) -> None:
    assert run(site, case).complaints == []
