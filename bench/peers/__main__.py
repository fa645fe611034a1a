"""Ours beside what a user would pick instead: `python -m bench.peers`, about a quarter of an hour.

Every server is pinned to one core and loaded from the other. All servers of a model are up at once and are measured
in turn, several times; a ratio is the median of those of each round, so that a busy moment of the machine meets both.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from bench.models import TRAINED, models
from bench.page import README, machine, write_section
from bench.peers import growth, limits, plots, report
from bench.peers.environment import programs_of, warm
from bench.peers.known import OURS, PEERS
from bench.peers.measure import measure
from bench.process import LOAD_CORE, end_servers_when_ended
from mldeploy.errors import MldeployError

if TYPE_CHECKING:
    from bench.peers.measure import Outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1, help="of each measurement")
    parser.add_argument(
        "--write", action="store_true", help="put it into docs/performance.md, docs/plots and README.md"
    )
    parser.add_argument("--models", nargs="+", choices=list(TRAINED), default=list(TRAINED))
    options = parser.parse_args()
    end_servers_when_ended()
    for server in (OURS, *PEERS):
        with suppress(MldeployError):  # its row will say why it is not there
            programs_of(server)
            warm(server)
    made = [each for each in models() if each.name in options.models]
    list(growth.bundles())
    os.sched_setaffinity(0, {LOAD_CORE})

    outcomes, bounds = {}, [limits.HEAD]
    for each in made:
        print(f"· {each.name}", file=sys.stderr, flush=True)
        servers, is_last = (OURS, *PEERS), each is made[-1]
        outcomes[each.name] = measure(each, servers, options.rounds, options.seconds, with_curve=is_last)
        for name, outcome in outcomes[each.name].items():
            if outcome.failure:
                print(f"✗ {name}: {outcome.failure}", file=sys.stderr, flush=True)
        ours = outcomes[each.name][OURS.name]
        if ours.failure:
            raise SystemExit("mldeploy itself failed")
        bounds.append(limits.line(each, ours.rate(16), options.seconds))
    last = made[-1].name
    text = "\n\n".join(
        (
            report.table(outcomes, options.rounds, options.seconds),
            report.plots(last),
            report.settings(),
            "### Limits",
            "\n".join(bounds),
            "### Growth",
            growth.table(made[-1], options.seconds),
            machine(),
        )
    )
    print(text)
    if options.write:
        write_section("peers", text)
        write_plots(outcomes, last)
        write_section("peers", report.headline(outcomes), README)


def write_plots(outcomes: dict[str, dict[str, Outcome]], last: str) -> None:
    rates = {
        model: {name: 0.0 if outcome.failure else outcome.rate(16) for name, outcome in of_model.items()}
        for model, of_model in outcomes.items()
    }
    curves = {name: outcome.curve for name, outcome in outcomes[last].items() if outcome.curve}
    plots.FOLDER.mkdir(exist_ok=True)
    for name, text in {"peers-rate": plots.rates(rates), "peers-latency": plots.latencies(last, curves)}.items():
        (plots.FOLDER / f"{name}.svg").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
