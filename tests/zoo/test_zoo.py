"""Every model of the zoo answers rows that its proof has not seen as the original does.

Each run judges one case in seventeen, and all that are refused; MLDEPLOY_ZOO=all judges every one, and
`python -m tests.zoo` prints the table.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mldeploy.errors import MldeployError
from tests.zoo.cases import all_cases
from tests.zoo.judge import TOLERANCE, judge

if TYPE_CHECKING:
    from tests.zoo.cases import Case

CASES = all_cases()
CHOSEN = list(CASES)[:: 1 if os.environ.get("MLDEPLOY_ZOO") == "all" else 17]
CONVERTED = [name for name in CHOSEN if not CASES[name].refused]
REFUSED = [name for name, case in CASES.items() if case.refused]


@pytest.mark.parametrize("case", [CASES[name] for name in CONVERTED], ids=CONVERTED)
@pytest.mark.filterwarnings("ignore")
def test_fresh_rows_are_answered_as_by_the_original(case: Case) -> None:
    verdict = judge(case)
    assert verdict.rows > 1000
    assert verdict.flips == 0
    assert verdict.max_error <= TOLERANCE


@pytest.mark.parametrize("case", [CASES[name] for name in REFUSED], ids=REFUSED)
@pytest.mark.filterwarnings("ignore")
def test_what_has_no_exact_graph_is_refused_with_the_reason(case: Case) -> None:
    with pytest.raises(MldeployError) as refusal:
        judge(case)
    assert case.refused in f"{refusal.value.message}: {refusal.value.cause}"
