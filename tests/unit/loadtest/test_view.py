from __future__ import annotations

import io
import math

from rich.console import Console

from mldeploy.cli.loadtest_view import show_capacity, sparkline
from mldeploy.loadtest.capacity import Capacity
from tests.unit.loadtest.test_capacity import result


def test_a_sparkline_is_highest_at_ten_times_the_target_and_blank_without_an_answer() -> None:
    assert sparkline([0.0001, 0.1, 1.0, 50.0, math.nan], target_s=0.1) == "▁▆██ "


def test_capacity_is_shown_with_its_curve_and_headroom() -> None:
    said = io.StringIO()
    trials = (result(100, 0.01), result(200, 0.3))
    show_capacity(
        Capacity(100, trials, limited_by_generator=False, limited_by_search=False), 50, Console(file=said, width=100)
    )
    assert "capacity  100 requests a second" in said.getvalue()
    assert "2.0 times 50" in said.getvalue()
    assert said.getvalue().index("met") < said.getvalue().index("missed")
