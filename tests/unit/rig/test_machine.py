from __future__ import annotations

import pytest

from tests.rig.machine import CAPABILITIES, capabilities


@pytest.mark.parametrize(
    ("bounding", "missing"),
    [
        ("000001ffffffffff", set()),
        ("000001fffeffffff", {"SYS_RESOURCE"}),
        ("0000000000000001", {*CAPABILITIES.split()[1:]}),
    ],
)
def test_only_capabilities_that_this_machine_has_are_passed_on(bounding: str, missing: set[str]) -> None:
    status = f"Name:\tpytest\nCapEff:\t0000000000000000\nCapBnd:\t{bounding}\nCapAmb:\t0000000000000000\n"
    assert {*CAPABILITIES.split()} - {*capabilities(status)} == missing
