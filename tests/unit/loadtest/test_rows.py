from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from mldeploy.bundle import Input
from mldeploy.errors import UsageError
from mldeploy.loadtest.rows import bodies_of, read_rows, vary, without_unseen

if TYPE_CHECKING:
    from pathlib import Path

INPUTS = (
    Input(name="age", dtype="int", nullable=True),
    Input(name="income", dtype="float", nullable=False),
    Input(name="member", dtype="bool", nullable=False),
    Input(name="plan", dtype="string", nullable=False),
    Input(name="city", dtype="string", nullable=True),
)
ROWS = [
    {"age": 42, "income": 1.5, "member": True, "plan": "pro", "city": None},
    {"age": None, "income": 0.0, "member": False, "plan": "", "city": "Rome"},
]


def write_csv(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_cells_of_a_csv_file_get_the_types_of_the_manifest(tmp_path: Path) -> None:
    text = "id,age,income,member,plan,city\n1,42,1.5,true,pro,\n2,,0,0,,Rome\n"
    assert read_rows(write_csv(tmp_path / "mix.csv", text), INPUTS) == ROWS


def test_a_parquet_file_gives_the_same_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS).astype({"age": "Int64"})
    frame.to_parquet(tmp_path / "mix.parquet")
    assert read_rows(tmp_path / "mix.parquet", INPUTS) == ROWS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("income,member,plan,city\n1,1,a,b\n", "lacks fields"),
        ("age,income,member,plan,city\n", "no rows"),
        ("age,income,member,plan,city\n4.5,1,1,a,b\n", "'4.5' in age"),
        ("age,income,member,plan,city\n4,inf,1,a,b\n", "'inf' in income"),
        ("age,income,member,plan,city\n4,1,maybe,a,b\n", "'maybe' in member"),
        ("", "cannot be read"),
    ],
)
def test_a_file_that_does_not_fit_the_model_is_refused_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_rows(write_csv(tmp_path / "mix.csv", text), INPUTS)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_rows(tmp_path / "none.csv", INPUTS)


RANGED = (
    Input(name="age", dtype="int", nullable=True, minimum=18, maximum=90),
    Input(name="income", dtype="float", nullable=False, minimum=0.0, maximum=2.0),
    Input(name="plan", dtype="string", nullable=False, categories=("free", "pro")),
    Input(name="note", dtype="string", nullable=False),
)
GOLDEN: list[dict[str, Any]] = [
    {"age": 42, "income": 1.5, "plan": "pro", "note": "a"},
    {"age": None, "income": -7.0, "plan": "free", "note": "b"},
]


def test_variations_stay_within_ranges_and_categories_and_begin_with_the_rows_themselves() -> None:
    varied = vary(GOLDEN, RANGED, 500)
    assert varied[:2] == GOLDEN
    assert len(varied) == 500
    assert {row["plan"] for row in varied} == {"free", "pro"}
    assert all(row["age"] is None or (isinstance(row["age"], int) and 18 <= row["age"] <= 90) for row in varied)
    assert all(row["income"] == -7.0 or 0 <= row["income"] <= 2 for row in varied)
    assert all((row["age"] is None) == (row["note"] == "b") for row in varied)
    assert len({json.dumps(row) for row in varied}) > 250
    assert vary(GOLDEN, RANGED, 500) == varied


def test_rows_with_an_unseen_category_can_be_left_out() -> None:
    unseen = {**GOLDEN[0], "plan": "gold"}
    missing = {**GOLDEN[0], "plan": None, "note": "text has no categories"}
    assert without_unseen([*GOLDEN, unseen, missing], RANGED) == [*GOLDEN, missing]


def test_requests_of_several_rows_hold_every_row() -> None:
    bodies = [json.loads(body)["instances"] for body in bodies_of([{"n": n} for n in range(5)], 2)]
    assert bodies == [[{"n": 0}, {"n": 1}], [{"n": 2}, {"n": 3}], [{"n": 4}, {"n": 0}]]
    assert len(json.loads(bodies_of(GOLDEN, 100)[0])["instances"]) == 100
