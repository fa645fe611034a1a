"""What was measured, as the tables of docs/performance.md and as the few lines of README.md."""

from __future__ import annotations

import math
import statistics
import textwrap
from typing import TYPE_CHECKING

from bench.peers.environment import installed_megabytes, versions_of
from bench.peers.known import OURS, PEERS
from bench.peers.measure import CONNECTIONS, MOST_P99_MS, OFFERED, STEADY_RATE
from bench.process import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.peers.known import Server
    from bench.peers.measure import Outcome

HEAD = """\
| model | server | ours / it at 1 | at 16 | at 64 | its rate at 16 | p50 at 100/s, ms | p99 | first answer, s | \
memory, MB | installed, MB | largest error |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""

ABOUT = f"""\
Every server has one core to itself; what loads it has the other. All servers of a model are up at once and are loaded
in turn, with the same rows, one a request, while the others are paused. A ratio is our rate over the other's, by
connections: the median of {{rounds}} rounds of {{seconds}} s, or longer for who answers few. Latencies are those of
requests that come at {STEADY_RATE:.0f} a second whatever happens to those before (open loop), and count from when
each was due. Memory is that of all processes of a server, after the load. Installed is what an installer unpacks for
it. The largest error is that of any probability against scikit-learn's own; where a server runs scikit-learn itself,
it can be 0."""

PAGE = "docs/performance.md#beside-other-ways-to-serve-the-same-model"

BEHIND = {
    "rate": "Bold ratios: the other answers more requests a second. Ours checks every field's range and categories,"
    " counts each answer in its metrics and gives it an id, which it does not.",
    "latency": "Bold latencies: the other answers sooner at this rate. A p99 of {samples} requests hangs on a few.",
    "first": "Bold times to the first answer: ours first answers its golden rows, and is not ready before they hold.",
    "memory": "Bold memory: the other holds less. Ours holds the golden rows, the baseline and its metrics besides.",
    "installed": "Bold sizes: the other installs less. In the image, ours is pruned to less than half of it"
    " ([above](#the-image-beside-what-peers-install)).",
}
"""What is said of each kind of cell in which ours is not ahead."""


def table(outcomes: Mapping[str, Mapping[str, Outcome]], rounds: int, seconds: int) -> str:
    """A line for each model and server, and a sentence for each kind of cell in which ours is behind."""
    lines, behind = [HEAD], set[str]()
    for model, of_model in outcomes.items():
        for server in (OURS, *PEERS):
            lines.append(_line(model, server, of_model[server.name], of_model[OURS.name], behind))
    samples = f"{STEADY_RATE * rounds * seconds:.0f}"
    said = [f"- {text.format(samples=samples)}" for kind, text in BEHIND.items() if kind in behind]
    parts = [_filled(ABOUT.format(rounds=rounds, seconds=seconds)), "\n".join(lines)]
    if said:
        parts.append("Bold is where ours is not ahead:\n\n" + "\n".join(said))
    return "\n\n".join(parts)


def _line(model: str, server: Server, outcome: Outcome, ours: Outcome, behind: set[str]) -> str:
    if outcome.failure:
        return f"| {model} | {server.name} | failed: {_shortly(outcome.failure)} |" + " |" * 9

    def cell(kind: str, text: str, *, ahead: bool) -> str:
        if ahead:
            return text
        behind.add(kind)
        return f"**{text}**"

    times = [ratio(ours, outcome, connections) for connections in CONNECTIONS]
    size, own = installed_megabytes(server), installed_megabytes(OURS)
    cells = [
        model,
        server.name + (f" ({outcome.failed} requests failed)" if outcome.failed else ""),
        *(cell("rate", _figure(each, 2), ahead=each >= 1) for each in times),
        f"{outcome.rate(16):,.0f}",
        *(
            cell(
                "latency",
                f"{outcome.steady_ms(percent):.1f}",
                ahead=ours.steady_ms(percent) <= outcome.steady_ms(percent),
            )
            for percent in (50, 99)
        ),
        cell("first", f"{outcome.seconds_to_answer:.1f}", ahead=ours.seconds_to_answer <= outcome.seconds_to_answer),
        cell("memory", f"{outcome.megabytes:.0f}", ahead=ours.megabytes <= outcome.megabytes),
        cell("installed", f"{size:,.0f}", ahead=own <= size),
        f"{outcome.largest_error:.1e}",
    ]
    return f"| {' | '.join(cells)} |"


def ratio(ours: Outcome, other: Outcome, connections: int) -> float:
    """How many times the other's rate ours is: the median of the rounds."""
    pairs = zip(ours.rates[connections], other.rates[connections], strict=True)
    return statistics.median(mine / its if its else math.inf for mine, its in pairs)


def _figure(ratio: float, digits: int) -> str:
    if math.isinf(ratio):
        return "no answer"
    return f"{ratio:.{digits}f}" if ratio < 10 else f"{ratio:.0f}"


def _shortly(failure: str) -> str:
    """The last line that names an error, or the last one."""
    lines = failure.strip().splitlines()
    last = next((line for line in reversed(lines) if "rror" in line), lines[-1])
    return last.replace(f"{ROOT}/", "").replace("|", "/")[:160]


def settings() -> str:
    told = [f"- {peer.name} ({_versions(versions_of(peer))}): {peer.setting}" for peer in PEERS]
    return (
        "Each as its documentation says for production, with access logs off; what is installed is pinned in"
        " `bench/peers/locks/`.\n\n" + "\n".join([f"- {OURS.name}: {OURS.setting}", *told])
    )


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def plots(model: str) -> str:
    return (
        "![Bars of requests a second by server and model](plots/peers-rate.svg)\n\n"
        f"Requests at a fixed rate, from {OFFERED[0]} a second on, more each time, until one fails or the p99 is over"
        f" {MOST_P99_MS:.0f} ms (dashed): the `{model}` model.\n\n"
        "![Latency against the rate offered](plots/peers-latency.svg)"
    )


def headline(outcomes: Mapping[str, Mapping[str, Outcome]]) -> str:
    """For README.md: ours beside the quickest other and the common tutorial."""
    quickest = {model: _quickest(of_model) for model, of_model in outcomes.items()}
    tutorial = PEERS[0].name
    best = [ratio(of_model[OURS.name], of_model[quickest[model]], 16) for model, of_model in outcomes.items()]
    common = [
        ratio(of_model[OURS.name], of_model[tutorial], 16)
        for of_model in outcomes.values()
        if not of_model[tutorial].failure
    ]
    model, of_model = list(outcomes.items())[-1]
    lines = [
        f"| the `{model}` model, one core | requests a second at 16 connections | p50, p99 at 100 a second |"
        " first answer | memory |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name in dict.fromkeys((OURS.name, quickest[model], tutorial)):
        outcome = of_model[name]
        if not outcome.failure:
            lines.append(
                f"| {name} | {outcome.rate(16):,.0f} | {outcome.steady_ms(50):.1f}, {outcome.steady_ms(99):.1f} ms |"
                f" {outcome.seconds_to_answer:.1f} s | {outcome.megabytes:.0f} MB |"
            )
    others = " or ".join(sorted(set(quickest.values())))
    text = (
        f"`make bench` serves the same models with mldeploy and in {len(PEERS)} other ways, each on one core."
        f" mldeploy answers {_span(common)} times as many requests a second as {tutorial}, the common tutorial, and"
        f" {_span(best)} times as many as the quickest other way ({others}). [All figures]({PAGE}):"
    )
    return f"{_filled(text)}\n\n" + "\n".join(lines)


def _filled(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _quickest(of_model: Mapping[str, Outcome]) -> str:
    up = [peer.name for peer in PEERS if not of_model[peer.name].failure]
    return max(up, key=lambda name: of_model[name].rate(16))


def _span(ratios: list[float]) -> str:
    low, high = (_figure(each, 1) for each in (min(ratios), max(ratios)))
    return low if low == high else f"{low} to {high}"
