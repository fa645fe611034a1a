"""Scoring a file: one row in, one row out, as the original answers; or nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDOneClassSVM
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from typer.testing import CliRunner

from mldeploy.cli import app
from mldeploy.errors import ExitCode, MldeployError, UsageError
from mldeploy.model.package import package_model
from mldeploy.score import score_file, tables
from tests.unit.model.conftest import mixed_columns

if TYPE_CHECKING:
    from pathlib import Path

    from mldeploy.bundle import Bundle

X = pd.DataFrame(np.random.default_rng(2).normal(size=(60, 2)), columns=["a", "b"])


@pytest.fixture
def strict(people: pd.DataFrame, churned: Any, save: Any, tmp_path: Path, in_process: None) -> Bundle:  # noqa: ARG001
    """A model that refuses plans it has not seen."""
    model = make_pipeline(mixed_columns("error"), LogisticRegression()).fit(people, churned)
    people.to_parquet(tmp_path / "sample.parquet")
    return package_model(save(model), sample=tmp_path / "sample.parquet", into=tmp_path / "build")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("age (years),plan,visits,member\n" + text, encoding="utf-8")
    return path


def test_each_row_is_answered_as_by_the_original(
    packaged: Bundle, churn: Any, people: pd.DataFrame, tmp_path: Path
) -> None:
    people.to_parquet(tmp_path / "rows.parquet")
    scored = score_file(packaged, tmp_path / "rows.parquet", tmp_path / "out.csv")
    out = pd.read_csv(tmp_path / "out.csv")
    assert (scored.rows, scored.refused) == (200, 0)
    assert list(out) == ["label", "probability:leaves", "probability:stays"]
    assert out["label"].tolist() == churn.predict(people).tolist()
    np.testing.assert_allclose(out.iloc[:, 1:], churn.predict_proba(people), atol=1e-9)


def test_csv_and_parquet_give_the_same_answers(packaged: Bundle, people: pd.DataFrame, tmp_path: Path) -> None:
    people.to_parquet(tmp_path / "rows.parquet")
    people.assign(extra="left out").sample(frac=1, axis=1, random_state=0).to_csv(tmp_path / "rows.csv", index=False)
    for kind in ("csv", "parquet"):
        score_file(packaged, tmp_path / f"rows.{kind}", tmp_path / f"of-{kind}.parquet")
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "of-csv.parquet"), pd.read_parquet(tmp_path / "of-parquet.parquet")
    )


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_is_read_and_written_in_chunks(
    packaged: Bundle, people: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    getattr(people, f"to_{kind}")(tmp_path / f"rows.{kind}", index=False)
    score_file(packaged, tmp_path / f"rows.{kind}", tmp_path / "whole.parquet")
    monkeypatch.setattr(tables, "CHUNK_ROWS", 7)
    done: list[int] = []
    score_file(packaged, tmp_path / f"rows.{kind}", tmp_path / "chunks.parquet", progress=done.append)
    assert len(done) > 20
    assert done[-1] == 200
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "whole.parquet"), pd.read_parquet(tmp_path / "chunks.parquet")
    )


def test_an_empty_cell_is_missing_and_quotes_make_it_an_empty_text(
    packaged: Bundle, churn: Any, tmp_path: Path
) -> None:
    path = written(tmp_path, '40,,3,true\n40,"",3,TRUE\n,pro,3.0,1\n40,NA,3,0\n')
    score_file(packaged, path, tmp_path / "out.parquet")
    rows = pd.DataFrame(
        {
            "age (years)": [40.0, 40.0, np.nan, 40.0],
            "plan": pd.Series([np.nan, "", "pro", "NA"], dtype=object),
            "visits": 3,
            "member": [True, True, True, False],
        }
    )
    out = pd.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_allclose(out["probability:stays"], churn.predict_proba(rows)[:, 1], atol=1e-9)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("old,pro,3,true", "row 1, age (years): 'old', and a number, or nothing was expected"),
        ("inf,pro,3,true", "row 1, age (years): 'inf'"),
        ("40,pro,3.5,true", "row 1, visits: '3.5', and an integer"),
        ("40,pro,9007199254740993,true", "row 1, visits: '9007199254740993'"),
        ("40,pro,3,perhaps", "row 1, member: 'perhaps', and true or false"),
        ("40,pro,3,", "row 1, member: nothing, and true or false was expected"),
        ("40,gold,3,true", "row 1, plan: 'gold', and one of basic, plus, pro, or nothing was expected"),
    ],
)
def test_a_row_that_the_model_does_not_take_is_named_and_nothing_is_written(
    strict: Bundle, tmp_path: Path, row: str, said: str
) -> None:
    out = tmp_path / "out.csv"
    out.write_text("an earlier one")
    with pytest.raises(MldeployError) as refusal:
        score_file(strict, written(tmp_path, f"40,pro,3,true\n{row}\n"), out)
    assert refusal.value.exit_code == ExitCode.FAILED
    assert said in refusal.value.cause
    assert out.read_text() == "an earlier one"
    assert not list(tmp_path.glob(".out*"))


def test_the_answers_of_such_rows_can_be_left_empty(strict: Bundle, tmp_path: Path) -> None:
    path = written(tmp_path, "40,pro,3,true\nold,gold,x,\n50,basic,2,false\n")
    scored = score_file(strict, path, tmp_path / "out.csv", on_error="empty")
    assert (scored.rows, scored.refused) == (3, 1)
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert len(lines) == 4
    assert lines[2] == ",,"
    assert all(lines[place].startswith('"') for place in (1, 3))


def test_a_row_is_counted_from_the_start_of_the_file(
    strict: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "CHUNK_ROWS", 2)
    with pytest.raises(MldeployError) as refusal:
        score_file(strict, written(tmp_path, "40,pro,3,true\n" * 5 + "40,gold,3,true\n"), tmp_path / "out.csv")
    assert "row 5, plan" in refusal.value.cause


@pytest.mark.parametrize(
    ("model", "target", "names"),
    [
        (LinearRegression(), X["a"], ["value"]),
        (LinearRegression(), X[["a", "b"]].to_numpy(), ["value:y0", "value:y1"]),
        (make_pipeline(PCA(1)), None, ["value:pca0"]),
        (SGDOneClassSVM(), None, ["label", "score"]),
        (KMeans(2, n_init=1), None, ["label"]),
        (
            DecisionTreeClassifier(),
            (X > 0).astype(int).to_numpy(),
            ["label:y0", "label:y1", *(f"probability:y{output}:{each}" for output in "01" for each in "01")],
        ),
    ],
)
@pytest.mark.usefixtures("in_process")
def test_the_columns_follow_from_what_the_model_is(
    model: Any, target: Any, names: list[str], save: Any, tmp_path: Path
) -> None:
    model.fit(X, target)
    X.to_parquet(tmp_path / "rows.parquet")
    bundle = package_model(save(model), sample=tmp_path / "rows.parquet", into=tmp_path / "build")
    score_file(bundle, tmp_path / "rows.parquet", tmp_path / "out.parquet")
    out = pd.read_parquet(tmp_path / "out.parquet")
    assert list(out) == names
    answered = np.asarray(model.predict(X) if hasattr(model, "predict") else model.transform(X)).reshape(len(X), -1)
    np.testing.assert_allclose(out.iloc[:, : answered.shape[1]].to_numpy(float), answered, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", b"age (years),plan\n1,pro\n", "lacks fields"),
        ("rows.csv", b"", "cannot be read"),
        ("rows.csv", b"age (years),plan,plan,visits,member\n1,pro,pro,1,true\n", "plan twice"),
        ("rows.csv", b"age (years),plan,visits,member\n1,\xff\xfe,1,true\n", "cannot be read"),
        ("rows.parquet", b"PAR1 not really", "cannot be read"),
        ("rows.txt", b"1", "neither .csv nor .parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_error(
    packaged: Bundle, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=said):
        score_file(packaged, tmp_path / name, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_column_of_another_type_is_named(packaged: Bundle, people: pd.DataFrame, tmp_path: Path) -> None:
    people.assign(plan=1).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(UsageError, match="plan holds int64, and the model takes text"):
        score_file(packaged, tmp_path / "rows.parquet", tmp_path / "out.csv")


def test_the_command_says_what_it_wrote_and_does_not_write_over_what_it_reads(
    packaged: Bundle, people: pd.DataFrame, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    people.to_csv(rows, index=False)
    command = ["score", str(packaged.path), str(rows), "--json", "--out"]
    result = CliRunner().invoke(app, [*command, str(tmp_path / "out.csv")])
    assert (result.exit_code, '"rows": 200' in result.stdout) == (0, True)
    assert isinstance(CliRunner().invoke(app, [*command, str(rows)]).exception, UsageError)
    assert rows.stat().st_size > 1000


@pytest.mark.usefixtures("in_process")
def test_several_outputs_can_be_named(save: Any, tmp_path: Path) -> None:
    X.to_parquet(tmp_path / "rows.parquet")
    path = save(LinearRegression().fit(X, X[["a", "b"]].to_numpy()))
    bundle = package_model(path, outputs=["height", "weight (kg)"], into=tmp_path / "build")
    score_file(bundle, tmp_path / "rows.parquet", tmp_path / "out.parquet")
    assert list(pd.read_parquet(tmp_path / "out.parquet")) == ["value:height", "value:weight (kg)"]
    assert bundle.golden.predictions[0]["values"].keys() == {"height", "weight (kg)"}
    for wrong in (["height"], ["a", "a"], ["a", ""]):
        with pytest.raises(UsageError, match="the model has 2 outputs"):
            package_model(path, outputs=wrong, into=tmp_path / "other")
