from __future__ import annotations

import re
import shlex
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from mldeploy.cli.loadtest import loadtest
from mldeploy.loadtest.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, latency_axis
from mldeploy.loadtest.html import html_report, repeat_command
from mldeploy.loadtest.report import Target, summarize
from mldeploy.loadtest.samples import Load, Samples

if TYPE_CHECKING:
    from mldeploy.loadtest.report import Result

LOAD = Load("http://127.0.0.1:8000/predict?a=<b>", rate=100, duration_s=20, warmup_s=2, arrivals="poisson")


def stalled_run(load: Load = LOAD) -> Samples:
    due = load.due_times()
    done = due + np.where((due > 10) & (due < 11), 11 - due, 0.002)
    kind = (np.arange(len(due)) % 500 == 0).astype(np.int16)
    return Samples(due, due, done, kind, ("", "HTTP 503"), complete=True)


def page() -> tuple[str, Result]:
    result = summarize(LOAD, stalled_run(), Target(p99_s=0.1))
    return html_report(LOAD, stalled_run(), result), result


class _Loaded(HTMLParser):
    """What a browser would fetch, and the text that it would show."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href", "srcset", "data")]
        self.fetched += [tag] * (tag in ("script", "link", "iframe", "object"))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_stands_alone_and_says_what_the_result_says() -> None:
    text, result = page()
    read = _Loaded()
    read.feed(text)
    assert not read.fetched
    assert "url(" not in text
    said = " ".join(read.text)
    assert "missed" in said
    assert f"{result.p99_s * 1000:.1f} ms" in said
    assert "HTTP 503" in said
    assert LOAD.url in said
    assert LOAD.url not in text, "it was not escaped"


def test_every_point_of_the_charts_lies_within_the_axes() -> None:
    charts = [Xml.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page()[0])]  # noqa: S314
    assert len(charts) == 2
    for chart in charts:
        points = [
            [float(part) for part in pair.split(",")]
            for line in chart.iter("polyline")
            for pair in line.attrib["points"].split()
        ]
        assert len(points) > 20
        assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y in points)


def test_a_run_without_a_measured_request_still_makes_a_page() -> None:
    load = Load("http://127.0.0.1/predict", rate=0.1, duration_s=1, warmup_s=5)
    run = stalled_run(load)
    assert "does not count" in html_report(load, run, summarize(load, run, Target(p99_s=0.1)))


def test_the_command_to_repeat_a_run_is_one_that_the_command_line_takes() -> None:
    command = shlex.split(repeat_command(LOAD, page()[1]).replace("127.0.0.1:8000", "no-such-host.invalid"))
    app = typer.Typer()
    app.command()(loadtest)
    ended = CliRunner().invoke(app, command[2:])
    assert "no-such-host.invalid is neither" in str(ended.exception), ended.output


@pytest.mark.parametrize("values", [[1.2, 340.0], [0.0, 5.0], [7.0], []])
def test_a_latency_axis_holds_all_values_in_whole_decades(values: list[float]) -> None:
    axis = latency_axis(values)
    assert all(axis.low <= value <= axis.high for value in values if value > 0)
    assert len(axis.ticks) >= 2


def test_a_logarithmic_axis_places_equal_ratios_equally_far_apart() -> None:
    axis = Axis("ms", 1, 100, (), log=True)
    assert [axis.place(value) for value in (1, 10, 100, 0.01, 1e9)] == pytest.approx([0, 0.5, 1, 0, 1])
