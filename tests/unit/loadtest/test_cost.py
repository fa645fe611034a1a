from __future__ import annotations

import pytest

from mldeploy.loadtest.cost import dollars_a_million, fargate_dollars_a_million


def test_a_million_predictions_cost_their_share_of_the_month() -> None:
    # At one a second a month of 30.4375 days holds 2,629,800 predictions.
    assert dollars_a_million(6.0, 1) == pytest.approx(6.0 / 2.6298)
    assert dollars_a_million(6.0, 100) == pytest.approx(6.0 / 262.98)


def test_the_published_prices_are_turned_into_the_same_unit() -> None:
    assert fargate_dollars_a_million() == pytest.approx({100: 0.232, 1_000: 0.0977, 10_000: 0.0868}, rel=0.01)
