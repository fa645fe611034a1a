"""What a million predictions cost on a machine that is paid by the month."""

from __future__ import annotations

SECONDS_A_MONTH = 365.25 / 12 * 24 * 3600

FARGATE_DOLLARS_A_MONTH = {100: 61.0, 1_000: 257.0, 10_000: 2_282.0}
"""Published prices of serving by ECS Fargate, by requests a second."""


def dollars_a_million(dollars_a_month: float, predictions_a_second: float) -> float:
    """Dollars for a million predictions when the rate holds all month.

    >>> round(dollars_a_million(6.0, 100), 4)
    0.0228
    """
    return dollars_a_month / (predictions_a_second * SECONDS_A_MONTH) * 1e6


def fargate_dollars_a_million() -> dict[int, float]:
    """The same for ECS Fargate, by requests a second."""
    return {rate: dollars_a_million(dollars, rate) for rate, dollars in FARGATE_DOLLARS_A_MONTH.items()}
