from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.unit.runtime.bundles import mixed_bundle, numeric_bundle, regressor_bundle
from tests.unit.runtime.server import RUNTIME, Server, started

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(RUNTIME))


@pytest.fixture(scope="session")
def numeric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("numeric")
    with started(numeric_bundle(folder), folder) as server:
        yield server


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mixed")
    with started(mixed_bundle(folder), folder) as server:
        yield server


@pytest.fixture(scope="session")
def regressor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("regressor")
    with started(regressor_bundle(folder), folder) as server:
        yield server
