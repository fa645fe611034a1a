"""Every fault at every step of a ship and of a rollback, under traffic: `python -m bench.faults`.

The parts are real: the rig's registry and VM, Docker and Caddy in it, and `mldeploy` in a process of its own. Each
case ends with one more ship and one more rollback, which must work. `--only` takes words of a case's name. With
`--write` the outcome goes to docs/operations.md; cases that were not run keep what is said of them there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bench.page import OPERATIONS, machine, read_section, write_section
from tests import rig as the_rig
from tests.faults import FAULTS, Case, Verdict, prepared, run
from tests.integration.bundles import penguin_bundles

HEAD = [
    "| fault | in a | at | exit code | serves then | ledger | sent | lost | held |",
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="WORDS", help="cases whose name holds one of these")
    parser.add_argument("--list", action="store_true", help="print the cases, and run none")
    parser.add_argument("--write", action="store_true", help="put the outcome on docs/operations.md")
    options = parser.parse_args()
    chosen = [case for case in cases() if not options.only or any(words in str(case) for words in options.only)]
    if options.list:
        print(*chosen, sep="\n")
        return
    failed = 0
    with tempfile.TemporaryDirectory() as folder, the_rig.use() as rig:
        bundles = penguin_bundles(Path(folder))
        for small_disk in (False, True):
            site = None
            for case in (case for case in chosen if case.fault.small_disk == small_disk):
                # What one fault has spoiled must not be held against the next.
                site = site or prepared(rig, Path(folder), bundles, small_disk=small_disk)
                begun = time.monotonic()
                verdict = run(site, case)
                print(f"{row(verdict)} {time.monotonic() - begun:.0f} s", *verdict.complaints, sep="\n    ", flush=True)
                if options.write:
                    write(verdict)
                if verdict.complaints:
                    failed, site = failed + 1, None
    sys.exit(failed > 0)


def cases() -> list[Case]:
    found = []
    for fault in FAULTS.values():
        found += [Case(fault, "ship", moment) for moment in fault.ship]
        found += [Case(fault, "rollback", moment) for moment in fault.rollback]
    return found


def row(verdict: Verdict) -> str:
    case = verdict.case
    lost = f"{verdict.lost}" + (f" (and {verdict.excused} meanwhile)" if verdict.excused else "")
    held = "no" if verdict.complaints else "yes"
    cells = (
        case.fault.name,
        case.action,
        case.moment,
        verdict.exit_code,
        verdict.serves,
        verdict.told,
        verdict.sent,
        lost,
    )
    return f"| {' | '.join(str(cell) for cell in cells)} | {held} |"


def write(verdict: Verdict) -> None:
    """Put the case's row on the page, in place of what was said of it before."""
    kept = {key(line): line for line in read_section("faults", OPERATIONS).splitlines() if line.startswith("| ")}
    rows = kept | {key(row(verdict)): row(verdict)}
    order = [(case.fault.name, case.action, case.moment) for case in cases()]
    lines = [rows[name] for name in order if name in rows]
    write_section("faults", "\n".join([machine(), "", *HEAD, *lines]), OPERATIONS)


def key(line: str) -> tuple[str, ...]:
    return tuple(line.strip("| ").split(" | ")[:3])


if __name__ == "__main__":
    main()
