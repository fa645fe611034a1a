"""How much of the machine the container may use: the least that any of its control groups leaves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mldeploy_runtime.machine import cores, memory_bytes

if TYPE_CHECKING:
    from pathlib import Path

CORES = len(os.sched_getaffinity(0))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "groups/docker/c1").mkdir(parents=True)
    own = tmp_path / "own"
    own.write_text("1:name=systemd:/\n0::/docker/c1\n")
    return own


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        ("max 100000", "max 100000", CORES),
        ("100000 100000", "max 100000", 1),
        ("max 100000", "150000 100000", 1),
        ("50000 100000", "max 100000", 1),
        ("6400000 100000", "max 100000", CORES),
    ],
)
def test_cores_are_whole_and_within_every_quota(own: Path, inner: str, outer: str, expected: int) -> None:
    groups = own.with_name("groups")
    (groups / "docker/c1/cpu.max").write_text(inner + "\n")
    (groups / "docker/cpu.max").write_text(outer + "\n")
    assert cores(groups, own) == expected


def test_memory_is_the_smallest_limit_or_that_of_the_machine(own: Path) -> None:
    groups = own.with_name("groups")
    machine = memory_bytes(groups, own)
    (groups / "docker/c1/memory.max").write_text("max\n")
    assert memory_bytes(groups, own) == machine
    (groups / "docker/memory.max").write_text("536870912\n")
    assert memory_bytes(groups, own) == 536870912


def test_a_machine_without_such_groups_is_the_limit(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("4:memory:/\n")
    assert cores(tmp_path, own) == CORES
