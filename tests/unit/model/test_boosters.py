"""Boosters saved without an estimator, texts, and what is said of versions that no file records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer, strip_tags
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline

from mldeploy.errors import MldeployError
from mldeploy.model.child.session import Session
from mldeploy.model.original import Original
from mldeploy.model.package import package_model
from mldeploy.model.sample import sample_of
from mldeploy.model.signature import infer_fields
from tests.zoo.judge import asking

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Save = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("in_process")


def numbers() -> tuple[pd.DataFrame, Any]:
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 2)), columns=["total spent", "age"])
    return x, (x["age"] + x["total spent"] > 0).astype(int)


def test_a_bare_booster_is_a_classifier_of_numbered_classes(tmp_path: Path, save: Save) -> None:
    x, y = numbers()
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(x, y), 5)
    manifest = package_model(save(booster), into=tmp_path / "build").manifest
    assert manifest.task == "classifier"
    assert manifest.outputs.classes == (0, 1)
    assert [field.name for field in manifest.inputs] == ["total spent", "age"]


def test_the_sample_gives_back_the_names_that_lightgbm_respells(tmp_path: Path, save: Save) -> None:
    x, y = numbers()
    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(x, y)
    x.to_csv(tmp_path / "sample.csv", index=False)
    manifest = package_model(save(model), sample=tmp_path / "sample.csv", into=tmp_path / "build").manifest
    assert [field.name for field in manifest.inputs] == ["total spent", "age"]


def test_the_version_that_a_file_does_not_record_is_said_to_be_assumed(tmp_path: Path, save: Save) -> None:
    said: list[str] = []
    model = lightgbm.LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1).fit(*numbers())
    package_model(save(model), into=tmp_path / "build", progress=lambda step, detail: said.append(f"{step} {detail}"))
    assert any(f"does not record which version saved it, so lightgbm {lightgbm.__version__}" in each for each in said)


def test_a_model_of_texts_has_one_field_that_the_sample_names(tmp_path: Path, save: Save) -> None:
    texts = ["good and cheap", "bad, very bad", "cheap but bad", "good film"] * 5
    model = save(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 0, 1] * 5))
    pd.DataFrame({"review": texts}).to_csv(tmp_path / "sample.csv", index=False)
    unnamed = package_model(model, into=tmp_path / "one").manifest
    named = package_model(model, sample=tmp_path / "sample.csv", into=tmp_path / "two").manifest
    assert [(field.name, field.dtype, field.nullable) for field in unnamed.inputs] == [("text", "string", False)]
    assert [field.name for field in named.inputs] == ["review"]


def test_an_unseen_category_of_xgboost_is_refused_by_the_signature(tmp_path: Path, save: Save) -> None:
    x, y = numbers()
    x["plan"] = pd.Categorical(np.where(x["age"] > 0, "pro", "basic"))
    model = xgboost.XGBClassifier(n_estimators=3, enable_categorical=True, n_jobs=1).fit(x, y)
    manifest = package_model(save(model), into=tmp_path / "build").manifest
    plan = next(field for field in manifest.inputs if field.name == "plan")
    assert plan.categories == ("basic", "pro")
    assert plan.unknown == "reject"


def test_a_vectorizer_with_code_of_its_own_is_refused_with_the_reason(tmp_path: Path, save: Save) -> None:
    vectorizer = TfidfVectorizer(preprocessor=strip_tags)
    model = save(make_pipeline(vectorizer, LogisticRegression()).fit(["one two", "three four"], [0, 1]))
    with pytest.raises(MldeployError) as refusal:
        package_model(model, into=tmp_path / "build", backend="onnx")
    assert "a preprocessor of its own" in str(refusal.value.cause)


def test_texts_are_not_left_to_a_converter_that_knows_ascii_alone(tmp_path: Path, save: Save) -> None:
    x = pd.DataFrame({"review": ["good and cheap", "bad, very bad", "cheap but bad", "good film"] * 5, "stars": 3.0})
    columns = make_column_transformer((TfidfVectorizer(), "review"), ("passthrough", ["stars"]))
    model = save(make_pipeline(columns, LogisticRegression()).fit(x, [1, 0, 0, 1] * 5))
    x.to_parquet(tmp_path / "sample.parquet")
    bundle = package_model(model, sample=tmp_path / "sample.parquet", into=tmp_path / "build")
    assert bundle.manifest.precision.dtype == "float64"
    assert "no letters but ASCII's" in (bundle.path / "report" / "report.json").read_text()


def test_a_vectorizer_that_keeps_no_words_is_proven_on_those_of_the_sample(tmp_path: Path, save: Save) -> None:
    x = pd.DataFrame({"text": ["good and cheap", "bad, very bad", "cheap but bad", "good film"] * 5})
    model = save(make_pipeline(HashingVectorizer(), SGDClassifier(random_state=0)).fit(x["text"], [1, 0, 0, 1] * 5))
    described = Original(model, asking(Session()), tmp_path).open()
    [with_sample], _ = infer_fields(described, sample_of(x, tmp_path / "sample.parquet"))
    [without], notes = infer_fields(described, None)
    assert with_sample.words == ("and", "bad", "bad,", "but", "cheap", "film", "good", "very")
    assert "café" in without.words
    assert "no words kept" in notes[-1]
