"""Ours beside what a user would pick instead: `python -m bench.peers`, about a quarter of an hour.

Every server is pinned to one core and loaded from the other. All servers of a model are up at once and are measured
in turn, several times; a ratio is the median of those of each round, so that a busy moment of the machine meets both.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from typing import TYPE_CHECKING

from bench.models import TRAINED, models
from bench.page import machine, write_section
from bench.peers import growth, limits
from bench.peers.environment import installed_megabytes, programs_of, versions_of
from bench.peers.known import OURS, PEERS
from bench.peers.measure import CONNECTIONS, Outcome, measure, questions
from bench.process import end_servers_when_ended

if TYPE_CHECKING:
    from bench.models import Made

RATIO_HEAD = """\
| model | peer | ratio at 1 | at 16 | at 64 | its rate at 16 | p50, p99 at 100/s, ms | first answer, s | memory, MB | \
installed, MB | largest error |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--write", action="store_true", help="put it into docs/performance.md")
    parser.add_argument("--models", nargs="+", choices=list(TRAINED), default=list(TRAINED))
    options = parser.parse_args()
    end_servers_when_ended()
    for peer in PEERS:
        programs_of(peer)
    made = [each for each in models() if each.name in options.models]
    list(growth.bundles())
    lines, bounds = [RATIO_HEAD], [limits_head()]
    for each in made:
        outcomes = measure(each, (OURS, *PEERS), options.rounds, options.seconds)
        lines += [line(each.name, name, outcome, outcomes[OURS.name]) for name, outcome in outcomes.items()]
        print("\n".join(lines), file=sys.stderr)
        bounds.append(limits_line(each, outcomes[OURS.name], options.seconds))
    grown = growth.table(made[-1], options.seconds)
    text = "\n\n".join(("\n".join(lines), settings(), "### Limits", "\n".join(bounds), "### Growth", grown, machine()))
    print(text)
    if options.write:
        write_section("peers", text)


def line(model: str, name: str, outcome: Outcome, ours: Outcome) -> str:
    if outcome.failure:
        return f"| {model} | {name} | failed: {outcome.failure.splitlines()[-1][:120]} |" + " |" * 8
    server = next(server for server in (OURS, *PEERS) if server.name == name)
    installed = installed_megabytes(server)
    cells = [
        model,
        name + (f" ({outcome.failed} requests failed)" if outcome.failed else ""),
        *(ratio(ours, outcome, connections) for connections in CONNECTIONS),
        f"{outcome.rate(16):,.0f}",
        f"{outcome.p50_ms:.1f}, {outcome.p99_ms:.1f}",
        f"{outcome.seconds_to_answer:.1f}",
        f"{outcome.megabytes:.0f}",
        "" if installed is None else f"{installed:,.0f}",
        f"{outcome.largest_error:.1e}",
    ]
    return f"| {' | '.join(cells)} |"


def ratio(ours: Outcome, other: Outcome, connections: int) -> str:
    """How many times its rate ours is; the rows in which it is ahead are marked."""
    pairs = zip(ours.rates[connections], other.rates[connections], strict=True)
    times = statistics.median(mine / its for mine, its in pairs)
    return f"{times:.1f}" if times >= 1 else f"**{times:.2f}**"


def settings() -> str:
    told = [f"- {peer.name} ({_versions(versions_of(peer))}): {peer.setting}" for peer in PEERS]
    return "A ratio is our rate over the peer's, by connections. Settings:\n\n" + "\n".join(told)


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def limits_head() -> str:
    return (
        "| model | ours at 16 | constant answer on the same server | ours of that | TCP echo |"
        " onnxruntime alone, us a row |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |"
    )


def limits_line(made: Made, ours: Outcome, seconds: float) -> str:
    rows, _ = questions(made)
    body = json.dumps({"instances": [rows[0]]})
    constant = limits.constant_rate(16, seconds, body)
    cells = (
        made.name,
        f"{ours.rate(16):,.0f}",
        f"{constant:,.0f}",
        f"{ours.rate(16) / constant:.2f}",
        f"{limits.echo_rate(16, seconds, body):,.0f}",
        f"{limits.graph_seconds(made, rows[0]) * 1e6:.0f}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
