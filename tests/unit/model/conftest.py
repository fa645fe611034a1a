"""Fitted models on small made-up data, written as joblib files."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import mldeploy.model.package
from mldeploy.bundle import read_bundle
from mldeploy.errors import UsageError
from mldeploy.model.child.session import Session
from mldeploy.model.package import package_model

if TYPE_CHECKING:
    from collections.abc import Callable

    from mldeploy.bundle import Bundle


@pytest.fixture(scope="session")
def people() -> pd.DataFrame:
    """200 rows with a number and a string that are sometimes missing, an int and a bool."""
    source = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "age (years)": source.normal(40, 12, 200).round(1),
            "plan": source.choice(["basic", "plus", "pro"], 200),
            "visits": source.integers(0, 30, 200),
            "member": source.random(200) < 0.4,
        }
    )
    frame.loc[source.random(200) < 0.1, "age (years)"] = np.nan
    frame.loc[source.random(200) < 0.1, "plan"] = None
    return frame


@pytest.fixture(scope="session")
def churned(people: pd.DataFrame) -> pd.Series[Any]:
    score = people["visits"] + 10 * people["member"] - 8 * (people["plan"] == "pro")
    return pd.Series(np.where(score > 14, "stays", "leaves"))


def mixed_columns(handle_unknown: str = "ignore") -> ColumnTransformer:
    words = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown=handle_unknown))
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return ColumnTransformer(
        [
            ("numbers", numbers, ["age (years)", "visits"]),
            ("words", words, ["plan"]),
            ("rest", "passthrough", ["member"]),
        ]
    )


@pytest.fixture(scope="session")
def churn(people: pd.DataFrame, churned: pd.Series[Any]) -> Pipeline:
    return make_pipeline(mixed_columns(), LogisticRegression()).fit(people, churned)


@pytest.fixture(scope="session")
def sample(people: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "people.parquet"
    people.to_parquet(path)
    return path


class InProcess:
    """Stands where the child process does and answers with the same code, without the seconds a start takes."""

    def __init__(self, model: Path, python: Path, time_limit_s: float, memory_limit: int | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.session = Session()

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder)

    def ask(self, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(json.dumps(self.session.handle(json.loads(json.dumps(request)))))
        if "unusable" in answer:
            raise UsageError(answer["unusable"], cause=answer["cause"], remedy=answer["remedy"])
        return answer


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packaging in this process. Other tests hold that the child process answers alike."""
    monkeypatch.setattr(mldeploy.model.package, "Child", InProcess)


@pytest.fixture(scope="session")
def packaged(churn: Pipeline, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The churn pipeline's bundle, made through a real child process and the whole ladder, read back."""
    folder = tmp_path_factory.mktemp("packaged")
    joblib.dump(churn, folder / "churn_v1.2.0.joblib")
    return read_bundle(package_model(folder / "churn_v1.2.0.joblib", sample=sample, into=folder / "build").path)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def write(model: Any, name: str = "model.joblib") -> Path:
        joblib.dump(model, tmp_path / name)
        return tmp_path / name

    return write
