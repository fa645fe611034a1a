"""The plots of docs/performance.md: each an SVG file of its own, with its own background, for light and dark pages."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from bench.peers.measure import MOST_P99_MS
from mldeploy.loadtest.chart import Axis, latency_axis

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.peers.measure import Point

FOLDER = Path(__file__).parents[2] / "docs" / "plots"
WIDTH, LEFT, RIGHT, TOP = 860, 190, 70, 50
BAR, GAP, GROUP = 18, 4, 40
PANEL, PANEL_HEIGHT, PANEL_LEFT, PANEL_TOP = 350, 300, 60, 70
BETWEEN = 65
COLORS = ("#0b5cad", "#d9480f", "#2b8a3e", "#9c36b5", "#c2255c", "#b08900", "#0c8599", "#5c5f66")
"""Ours is the first; each keeps its contrast on white."""

STYLE = """\
text { font: 12px system-ui, sans-serif; fill: #343a40; } .title { font-size: 15px; font-weight: 600; }
.grid { stroke: #dee2e6; } .limit { stroke: #868e96; stroke-dasharray: 5 4; } .end { text-anchor: end; }
.middle { text-anchor: middle; } .line { fill: none; stroke-width: 2; } .ours { font-weight: 600; }"""


def rates(of_models: Mapping[str, Mapping[str, float]]) -> str:
    """Bars of requests a second by model and server, on a logarithmic scale; a rate of 0 has none."""
    names = list(dict.fromkeys(name for given in of_models.values() for name in given))
    axis = _decades([rate for given in of_models.values() for rate in given.values() if rate > 0])
    group = len(names) * (BAR + GAP) + GROUP
    height = TOP + group * len(of_models) + 20
    parts = [_text(20, 28, "Requests a second at 16 connections, one core", "title")]
    for value, label in axis.ticks:
        at = LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT)
        parts.append(_line(at, at, TOP, height - 30, "grid"))
        parts.append(_text(at, height - 12, label, "middle"))
    for number, (model, given) in enumerate(of_models.items()):
        top = TOP + number * group + 14
        parts.append(_text(20, top, f"model {model}", "ours"))
        for row, (name, rate) in enumerate(given.items()):
            y = top + 10 + row * (BAR + GAP)
            long = axis.place(rate) * (WIDTH - LEFT - RIGHT) if rate > 0 else 0
            color = COLORS[names.index(name) % len(COLORS)]
            parts.append(_text(LEFT - 8, y + 13, name, "end" if row else "end ours"))
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{long:.1f}" height="{BAR}" fill="{color}"/>')
            parts.append(_text(LEFT + long + 6, y + 13, f"{rate:,.0f}" if rate > 0 else "failed"))
    return _document("Requests a second by server and model", height, parts)


def latencies(model: str, curves: Mapping[str, Sequence[Point]]) -> str:
    """p50 and p99 against the rate that was offered, each server up to the first rate that it does not keep up with."""
    points = [point for curve in curves.values() for point in curve]
    x = _steps([point.offered for point in points])
    y = latency_axis([ms for point in points for ms in (point.p50_ms, point.p99_ms)])
    height = PANEL_TOP + PANEL_HEIGHT + 110
    parts = [_text(20, 28, f"Latency against the rate offered, model {model}, one core", "title")]
    panels = {"p50": [(name, [(p.offered, p.p50_ms) for p in curve]) for name, curve in curves.items()],
              "p99": [(name, [(p.offered, p.p99_ms) for p in curve]) for name, curve in curves.items()]}  # fmt: skip
    for number, (title, lines) in enumerate(panels.items()):
        left = PANEL_LEFT + number * (PANEL + BETWEEN)
        parts += _panel(title, left, x, y)
        for row, (_, line) in enumerate(lines):
            color = COLORS[row % len(COLORS)]
            places = [(f"{left + x.place(at) * PANEL:.1f}", f"{_height(y, ms):.1f}") for at, ms in line]
            path = " ".join(",".join(place) for place in places)
            parts.append(f'<polyline class="line" stroke="{color}" points="{path}"/>')
            parts += [f'<circle cx="{across}" cy="{down}" r="3" fill="{color}"/>' for across, down in places]
    at = _height(y, MOST_P99_MS)
    left = PANEL_LEFT + PANEL + BETWEEN
    parts.append(_line(left, left + PANEL, at, at, "limit"))
    parts += [part for row, name in enumerate(curves) for part in _key(row, name, height)]
    return _document("Latency against rate by server", height, parts)


def _panel(title: str, left: float, x: Axis, y: Axis) -> list[str]:
    bottom = PANEL_TOP + PANEL_HEIGHT
    parts = [_text(left, PANEL_TOP - 12, f"{title}, {y.title}", "ours")]
    for value, label in x.ticks:
        at = left + x.place(value) * PANEL
        parts += [_line(at, at, PANEL_TOP, bottom, "grid"), _text(at, bottom + 16, label, "middle")]
    for value, label in y.ticks:
        at = _height(y, value)
        parts += [_line(left, left + PANEL, at, at, "grid"), _text(left - 6, at + 4, label, "end")]
    return [*parts, _text(left + PANEL / 2, bottom + 36, x.title, "middle")]


def _key(row: int, name: str, height: float) -> list[str]:
    left, top = PANEL_LEFT + row % 4 * 200, height - 42 + row // 4 * 22
    color = COLORS[row % len(COLORS)]
    mark = f'<rect x="{left}" y="{top - 10}" width="14" height="10" fill="{color}"/>'
    return [mark, _text(left + 20, top, name, "" if row else "ours")]


def _decades(values: Sequence[float]) -> Axis:
    """From 1 to the decade over all `values`."""
    highest = max(1, math.ceil(math.log10(max(values))))
    ticks = tuple((10.0**power, f"{10**power:,}") for power in range(highest + 1))
    return Axis("", 1.0, 10.0**highest, ticks, log=True)


def _steps(rates: Sequence[float]) -> Axis:
    """From the lowest rate on, with a label at every other doubling."""
    low, high = min(rates), max(max(rates), 2 * min(rates))
    ticks = [low * 4**step for step in range(1 + int(math.log(high / low, 4)))]
    return Axis("requests a second offered", low, high, tuple((tick, f"{tick:,.0f}") for tick in ticks), log=True)


def _height(axis: Axis, value: float) -> float:
    return PANEL_TOP + (1 - axis.place(value)) * PANEL_HEIGHT


def _line(x1: float, x2: float, y1: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _document(title: str, height: float, parts: Sequence[str]) -> str:
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>',
        *parts,
        "</svg>\n",
    ])  # fmt: skip
