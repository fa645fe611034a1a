"""Real parts for the tests. They stay up afterwards, so that the next run starts at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import rig as the_rig
from tests.integration.bundles import penguin_bundles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.rig import Rig, Vm


@pytest.fixture(scope="session")
def rig() -> Iterator[Rig]:
    """The rig, for this session alone: another run on this checkout waits."""
    try:
        with the_rig.use() as running:
            yield running
    except the_rig.RigError as failure:
        pytest.fail(f"the rig: {failure.message}\n{failure.cause}\n{failure.remedy}", pytrace=False)


@pytest.fixture
def vm(rig: Rig) -> Vm:
    """The VM as the test before left it."""
    rig.vm.wait()
    return rig.vm


@pytest.fixture
def bare_vm(rig: Rig) -> Vm:
    """The VM as a provider hands it over."""
    rig.vm.reset()
    return rig.vm


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two versions of the example's model: their bundles by version."""
    return penguin_bundles(tmp_path_factory.mktemp("penguins"))
