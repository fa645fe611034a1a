"""Line charts as SVG text, on linear or logarithmic axes; they need nothing from outside the page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 16, 16, 46


@dataclass(frozen=True)
class Axis:
    """The values `low` to `high` along one side, with labels at `ticks`; `log` for a logarithmic scale."""

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Where `value` lies: 0 at `low`, 1 at `high`; values beyond either lie at it."""
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, max(value, self.low)))
        return min((at - low) / (high - low), 1.0)


@dataclass(frozen=True)
class Line:
    """Points (x, y) joined in their order; `style` is the CSS class that colours it."""

    label: str
    style: str
    points: Sequence[tuple[float, float]]


def line_chart(title: str, x: Axis, y: Axis, lines: Sequence[Line], *, limit: tuple[float, str] | None = None) -> str:
    """One chart with a legend; `limit` is a value of `y` to draw across, with its label."""
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        *(_vertical(x, value, label) for value, label in x.ticks),
        *(_horizontal(y, value, label, "grid") for value, label in y.ticks),
        f'<text class="axis" x="{LEFT + (WIDTH - LEFT - RIGHT) / 2}" y="{HEIGHT - 6}">{escape(x.title)}</text>',
        f'<text class="axis" transform="translate(14 {HEIGHT / 2}) rotate(-90)">{escape(y.title)}</text>',
    ]
    if limit:
        parts.append(_horizontal(y, limit[0], "", "limit"))
    for line in lines:
        points = " ".join(f"{_x(x, at):.1f},{_y(y, value):.1f}" for at, value in line.points)
        parts.append(f'<polyline class="line {line.style}" points="{points}"/>')
    legend = "".join(f'<span class="{line.style}">{escape(line.label)}</span>' for line in lines)
    if limit:
        legend += f'<span class="limit">{escape(limit[1])}</span>'
    return (
        f'<figure><figcaption>{escape(title)}</figcaption>{"".join(parts)}</svg><p class="legend">{legend}</p></figure>'
    )


def latency_axis(values_ms: Sequence[float]) -> Axis:
    """A logarithmic axis of milliseconds with whole decades around `values_ms`."""
    positive = [value for value in values_ms if value > 0] or [1.0]
    low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    decades = range(low, max(high, low + 1) + 1)
    return Axis("ms", 10.0**low, 10.0 ** decades[-1], tuple((10.0**d, f"{10.0**d:g}") for d in decades), log=True)


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - TOP - BOTTOM)


def _vertical(axis: Axis, value: float, label: str) -> str:
    at = _x(axis, value)
    return (
        f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        f'<text class="tick" x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}">{escape(label)}</text>'
    )


def _horizontal(axis: Axis, value: float, label: str, style: str) -> str:
    at = _y(axis, value)
    return (
        f'<line class="{style}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        f'<text class="tick side" x="{LEFT - 8}" y="{at + 4:.1f}">{escape(label)}</text>'
    )
