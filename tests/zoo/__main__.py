"""Print what comes of every case: `python -m tests.zoo [NAME ...]` judges those whose names hold NAME."""

from __future__ import annotations

import sys
import warnings

from rich.console import Console
from rich.table import Table

from mldeploy.errors import MldeployError
from tests.zoo.cases import all_cases
from tests.zoo.judge import TOLERANCE, judge


def main(wanted: list[str]) -> int:
    warnings.simplefilter("ignore")
    table = Table("case", "outcome", "rows", "labels that differ", "largest error")
    wrong = 0
    cases = {name: case for name, case in all_cases().items() if not wanted or any(part in name for part in wanted)}
    for name, case in cases.items():
        try:
            verdict = judge(case)
        except MldeployError as failure:
            reason = f"{failure.message}: {failure.cause}"
            expected = bool(case.refused) and case.refused in reason
            wrong += not expected
            table.add_row(name, f"refused: {reason}" if expected else reason, "", "", "")
            continue
        good = not case.refused and verdict.flips == 0 and verdict.max_error <= TOLERANCE
        wrong += not good
        outcome = f"ONNX: {', '.join(verdict.rungs)}" if good else "wrong"
        table.add_row(name, outcome, str(verdict.rows), str(verdict.flips), f"{verdict.max_error:.1e}")
    Console().print(table)
    print(f"{len(cases) - wrong} of {len(cases)} end as they are meant to")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
