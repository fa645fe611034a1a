"""Ships and rollbacks in a row under traffic, none of which may lose a request: `python -m bench.marathon`.

In turn one version is shipped, then the other, then the second is rolled back from, on the rig's VM. What the host's
disk holds is read after every turn. With `--write` the outcome goes to docs/operations.md.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.page import OPERATIONS, machine, write_section
from mldeploy.host.layout import ROOT
from tests import rig as the_rig
from tests.faults import left_over, prepared
from tests.integration.bundles import penguin_bundles
from tests.integration.site import FIRST, SECOND

if TYPE_CHECKING:
    from tests.rig import Vm

SETTLED = 6
"""From so many ships on as many releases are kept as ever will be."""
NAMES = re.compile(r"\b(penguins-)?r\d+\b|blue|green|(?<![.\d])\d+\.\d+\.\d+(?![.\d])|[\d.]+:\d+")
"""What differs from one command to the next in what its steps are called."""
MOST_GROWTH_MB = 2.0
"""What the ledger, the settings of releases and Docker's own logs may come to."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50, help="how many ships and rollbacks together")
    parser.add_argument("--write", action="store_true", help="put the outcome on docs/operations.md")
    options = parser.parse_args()
    if options.times < 2 * SETTLED:
        parser.error(f"disk use can be judged from {2 * SETTLED} on")
    outcomes: list[Any] = []
    disk: list[float] = []
    with tempfile.TemporaryDirectory() as folder, the_rig.use() as rig:
        site = prepared(rig, Path(folder), penguin_bundles(Path(folder)))
        with site.traffic(connections=4, rate=60) as traffic:
            while len(outcomes) < options.times:
                outcomes += [site.ship(SECOND), site.ship(FIRST), site.rollback()]
                disk.append(disk_used(rig.vm))
                print(f"{len(outcomes)}: {disk[-1]:.1f} MB, {traffic.tally}", flush=True)
        left = left_over(site)
    ships, rollbacks = ([o["seconds_to_switch"] for o in outcomes if o["action"] == a] for a in ("ship", "rollback"))
    growth = disk[-1] - disk[SETTLED // 2 - 1]
    lines = (
        f"{len(ships)} ships and {len(rollbacks)} rollbacks in a row under traffic: {traffic.tally.sent:,} POSTs",
        f"sent, {len(traffic.tally.lost)} lost. From the command to the switch a ship took {median(ships):.1f} s and a",
        f"rollback {median(rollbacks):.1f} s (medians). At the end the disk held {growth:+.1f} MB beside what it held",
        f"after {SETTLED} ships; left over: {'; '.join(left) or 'nothing'}.",
        "",
        "The time line, from the command on, in seconds (medians):",
        "",
        *time_line([outcome for outcome in outcomes if outcome["action"] == "ship"]),
        "",
        *time_line([outcome for outcome in outcomes if outcome["action"] == "rollback"]),
        "",
        machine(),
    )
    text = "\n".join(lines)
    print(text)
    if options.write:
        write_section("marathon", text, OPERATIONS)
    sys.exit(bool(traffic.tally.lost or left or growth > MOST_GROWTH_MB))


def time_line(outcomes: list[Any]) -> list[str]:
    """A row a step: how long it took, and when it had ended. Steps that not all had are left out."""
    rows: dict[str, list[Any]] = {}
    for outcome in outcomes:
        for step in outcome["steps"]:
            rows.setdefault(NAMES.sub("…", step["says"]), []).append(step)
    lines = [f"| step of a {outcomes[0]['action']} | took | ended after |", "| --- | ---: | ---: |"]
    return lines + [
        f"| {says} | {median(step['seconds'] for step in steps):.2f} | {median(step['ended'] for step in steps):.2f} |"
        for says, steps in rows.items()
        if len(steps) >= len(outcomes)
    ]


def disk_used(vm: Vm) -> float:
    """What Docker and mldeploy hold on the VM's disk, in MB, without the predictions that traffic adds."""
    paths = f"du -skx --exclude=predictions {ROOT} /var/lib/docker | cut -f1"
    return sum(float(size) for size in vm.exec("sh", "-c", paths).split()) * 1024 / 1e6


if __name__ == "__main__":
    main()
