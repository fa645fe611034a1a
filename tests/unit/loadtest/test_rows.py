from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from mldeploy.bundle import Input
from mldeploy.errors import UsageError
from mldeploy.loadtest.rows import read_rows

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
