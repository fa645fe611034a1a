"""What the benchmarks measure with and say: the open-loop load, and the comparison with peers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from bench.openloop import Sample, offer
from bench.page import write_section
from bench.peers import plots, report
from bench.peers.known import OURS, PEERS
from bench.peers.measure import CONNECTIONS, Outcome, Point
from bench.process import Running

if TYPE_CHECKING:
    from pathlib import Path

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def outcome(rate: float, milliseconds: float = 1.0) -> Outcome:
    return Outcome(
        rates={connections: [rate] for connections in CONNECTIONS},
        steady=[Sample(milliseconds / 1000, 0.0, 200)] * 4,
        curve=[Point(50, milliseconds, milliseconds, 0)],
        seconds_to_answer=1.0,
        megabytes=50.0,
    )


def outcomes(**others: Outcome) -> dict[str, dict[str, Outcome]]:
    """Ours at 1,000 requests a second, the peers at 100, but for those given by name."""
    of_model = {OURS.name: outcome(1_000)} | {peer.name: outcome(100) for peer in PEERS}
    return {"numeric": of_model | others}


def rows_of(text: str, name: str) -> list[str]:
    return [line for line in text.splitlines() if f"| {name} |" in line]


def test_a_cell_in_which_ours_is_behind_is_marked_and_its_kind_explained() -> None:
    text = report.table(outcomes(LitServe=outcome(2_000)), rounds=1, seconds=1)
    assert rows_of(text, "LitServe")[0].count("**0.50**") == len(CONNECTIONS)
    assert "- Bold ratios" in text
    assert "- Bold latencies" not in text


def test_where_ours_is_ahead_nothing_is_marked() -> None:
    assert "**" not in report.table(outcomes(), rounds=1, seconds=1)


def test_a_peer_that_fails_says_how_in_its_row() -> None:
    text = report.table(outcomes(MLServer=Outcome(failure="starting\nRuntimeError: no | loop\nbye")), 1, 1)
    assert "failed: RuntimeError: no / loop" in rows_of(text, "MLServer")[0]


def test_the_headline_names_the_quickest_other_and_skips_those_that_fail() -> None:
    text = report.headline(outcomes(LitServe=outcome(500), MLflow=Outcome(failure="no")))
    assert "2.0 times as many as the quickest other way (LitServe)" in " ".join(text.split())


def test_plots_are_well_formed_with_a_bar_a_server_and_a_line_a_panel() -> None:
    of_model = outcomes()["numeric"]
    bars = ElementTree.fromstring(plots.rates({"numeric": {name: each.rate(16) for name, each in of_model.items()}}))  # noqa: S314 - our own
    lines = ElementTree.fromstring(plots.latencies("numeric", {name: each.curve for name, each in of_model.items()}))  # noqa: S314
    svg = "{http://www.w3.org/2000/svg}"
    assert len(bars.findall(f"{svg}rect")) == 1 + len(of_model)
    assert len(lines.findall(f"{svg}polyline")) == 2 * len(of_model)


def test_a_section_goes_between_its_marks_wherever_they_are(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- peers: written by python -m bench.peers -->\n<!-- end of peers -->\nb\n")
    write_section("peers", "figures", page)
    before, _, after = page.read_text().partition("figures")
    assert before.split("\n")[:2] == ["a", "<!-- peers: written by python -m bench.peers -->"]
    assert after.split() == ["<!--", "end", "of", "peers", "-->", "b"]


async def offered(answers: int) -> list[Sample]:
    """Ten requests to a server that gives so many answers, and then ends every connection that asks."""
    given = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal given
        while await reader.readline():
            if given == answers:
                break
            given += 1
            writer.write(ANSWER)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        return await offer(server.sockets[0].getsockname()[1], [b"one\n", b"two\n"], 100, 0.1, most_connections=2)


@pytest.mark.parametrize("answers", [10, 4])
def test_every_request_offered_is_answered_or_has_failed(answers: int) -> None:
    samples = asyncio.run(offered(answers))
    assert sorted(sample.status for sample in samples) == [0] * (10 - answers) + [200] * answers


SPINNING = """
import os
os.fork()
while True:
    pass
"""


def test_a_paused_server_stands_still_with_its_children() -> None:
    with subprocess.Popen([sys.executable, "-c", SPINNING], start_new_session=True) as process:
        server = Running(process, 0, "", 0.0)
        try:
            while server.ticks() < 10:
                time.sleep(0.01)
            server.pause()
            server.settle()
            before = server.ticks()
            time.sleep(0.1)
            assert server.ticks() == before
            server.resume()
            while server.ticks() == before:
                time.sleep(0.01)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
