"""Real parts for the tests. They stay up afterwards, so that the next run starts at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import rig as the_rig
from tests.integration.command import mldeploy

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """Two versions of the example's model, packaged by the command: their bundles by version."""
    folder = tmp_path_factory.mktemp("penguins")
    train = [sys.executable, "-m", "examples.penguins.train", "--out", str(folder)]
    subprocess.run(train, cwd=Path(__file__).parents[2], check=True, timeout=300)
    packaged = {}
    for model in sorted(folder.glob("*.joblib")):
        arguments = ("package", model.name, "--sample", "penguins.parquet", "--no-image", "--json")
        outcome = mldeploy(folder, *arguments).outcome
        packaged[outcome["version"]] = folder / outcome["bundle"]
    return packaged
