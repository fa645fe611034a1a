"""What packaging a model leaves behind, and what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import NMF
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from typer.testing import CliRunner

from mldeploy.bundle import read_bundle
from mldeploy.cli import app
from mldeploy.errors import ExitCode, MldeployError, UsageError
from mldeploy.model.original import Original
from mldeploy.model.package import package_model
from tests.unit.model.conftest import mixed_columns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mldeploy.bundle import Bundle

    Save = Callable[..., Path]


pytestmark = pytest.mark.usefixtures("in_process")


def answers(bundle: Bundle, rows: pd.DataFrame) -> dict[str, Any]:
    """What the bundle's graph answers, fed as its manifest says."""
    manifest = bundle.manifest
    feeds = {}
    for tensor in manifest.graph.tensors:
        part = rows[list(tensor.fields)]
        if tensor.dtype == "string":
            feeds[tensor.name] = part.astype(object).where(part.notna(), manifest.graph.missing_string).to_numpy()
        else:
            feeds[tensor.name] = part.to_numpy(dtype=tensor.dtype)
    graph = manifest.graph
    names = {"label": graph.label, "probabilities": graph.probabilities, "value": graph.value}
    wanted = {meaning: name for meaning, name in names.items() if name}
    session = onnxruntime.InferenceSession(bundle.model_path)
    return dict(zip(wanted, session.run(list(wanted.values()), feeds), strict=True))


def test_a_mixed_pipeline_answers_fresh_rows_as_the_original_does(churn: Any, packaged: Bundle) -> None:
    fresh = pd.DataFrame(
        {
            "age (years)": [31.0, None, 1e6, -5.5],
            "plan": ["pro", None, "gold", "basic"],
            "visits": [3, 12, 0, 29],
            "member": [True, False, True, False],
        }
    )
    got = answers(packaged, fresh)
    assert got["label"].tolist() == churn.predict(fresh).tolist()
    np.testing.assert_allclose(got["probabilities"], churn.predict_proba(fresh), rtol=1e-12)


def test_the_manifest_states_what_the_original_takes(packaged: Bundle) -> None:
    manifest = packaged.manifest
    assert (manifest.name, manifest.version, manifest.task) == ("churn", "1.2.0", "classifier")
    fields = {field.name: field for field in manifest.inputs}
    assert {name: field.dtype for name, field in fields.items()} == {
        "age (years)": "float",
        "plan": "string",
        "visits": "int",
        "member": "bool",
    }
    assert [name for name, field in fields.items() if field.nullable] == ["age (years)", "plan", "visits"]
    assert fields["plan"].categories == ("basic", "plus", "pro")
    assert fields["plan"].unknown == "ignore"
    assert manifest.outputs.classes == ("leaves", "stays")
    assert manifest.proof.holds
    assert manifest.proof.max_error < 1e-12


def test_what_the_original_refuses_is_recorded(
    people: pd.DataFrame, churned: pd.Series[Any], save: Save, tmp_path: Path
) -> None:
    complete = people.dropna()
    model = make_pipeline(mixed_columns(handle_unknown="error"), LogisticRegression())
    model.steps[0][1].transformers[0] = ("numbers", StandardScaler(), ["age (years)", "visits"])
    complete.to_parquet(tmp_path / "complete.parquet")
    model.fit(complete, churned[complete.index])
    bundle = package_model(save(model), sample=tmp_path / "complete.parquet", into=tmp_path / "build")
    fields = {field.name: field for field in bundle.manifest.inputs}
    assert not fields["age (years)"].nullable
    assert not fields["visits"].nullable
    assert fields["plan"].unknown == "reject"
    assert all(instance["plan"] in (None, "basic", "plus", "pro") for instance in bundle.golden.instances)


def test_golden_rows_hold_every_class_missing_values_and_unseen_categories(churn: Any, packaged: Bundle) -> None:
    golden = packaged.golden
    assert len(golden.instances) == 32
    assert {prediction["label"] for prediction in golden.predictions} == {"leaves", "stays"}
    assert any(instance["age (years)"] is None for instance in golden.instances)
    assert any(instance["plan"] not in (None, "basic", "plus", "pro") for instance in golden.instances)
    frame = pd.DataFrame(golden.instances)
    frame["plan"] = frame["plan"].astype(object).where(frame["plan"].notna(), np.nan)
    expected = churn.predict_proba(frame)
    for prediction, row in zip(golden.predictions, expected, strict=True):
        assert list(prediction["probabilities"].values()) == pytest.approx(row.tolist(), abs=1e-12)
        assert prediction["probability"] == prediction["probabilities"][prediction["label"]]


def test_the_baseline_describes_the_sample(packaged: Bundle, people: pd.DataFrame) -> None:
    baseline = json.loads((packaged.path / "baseline.json").read_text())
    assert baseline["rows"] == 200
    age, plan = baseline["fields"]["age (years)"], baseline["fields"]["plan"]
    assert age["missing"] == pytest.approx(people["age (years)"].isna().mean())
    assert age["quantiles"][10] == pytest.approx(people["age (years)"].median())
    assert {each["value"]: each["count"] for each in plan["categories"]} == people["plan"].value_counts().to_dict()


def test_packaging_again_gives_the_same_bundle_id(
    churn: Any, packaged: Bundle, sample: Path, save: Save, tmp_path: Path
) -> None:
    again = package_model(save(churn, "other.joblib"), sample=sample, into=tmp_path)
    assert again.manifest.bundle_id == packaged.manifest.bundle_id
    assert again.model_path.read_bytes() == packaged.model_path.read_bytes()
    assert again.manifest.version == f"0.0.0+{again.manifest.bundle_id[:8]}"


def test_a_forest_behind_a_scaler_is_proven_at_its_thresholds(
    people: pd.DataFrame, churned: pd.Series[Any], sample: Path, save: Save, tmp_path: Path
) -> None:
    forest = RandomForestClassifier(n_estimators=10, random_state=0)
    bundle = package_model(
        save(make_pipeline(mixed_columns(), forest).fit(people, churned)), sample=sample, into=tmp_path
    )
    assert bundle.manifest.proof.max_error < 1e-12
    report = json.loads((bundle.path / "report" / "report.json").read_text())
    assert report["attempts"][0]["rows_from"]["threshold"]["rows"] > 10


@pytest.mark.parametrize("labels", [[3, 7], [False, True]], ids=str)
def test_labels_keep_their_type(labels: list[Any], save: Save, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(80, 3))
    model = LogisticRegression().fit(x, np.array(labels)[(x[:, 0] > 0).astype(int)])
    bundle = package_model(save(model), into=tmp_path)
    assert bundle.manifest.outputs.classes == tuple(labels)
    assert [type(label) for label in bundle.manifest.outputs.classes or ()] == [type(label) for label in labels]
    assert {type(prediction["label"]) for prediction in bundle.golden.predictions} == {type(labels[0])}
    assert [field.name for field in bundle.manifest.inputs] == ["x0", "x1", "x2"]


def test_a_regressor_trained_on_an_array(save: Save, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(80, 3))
    model = GradientBoostingRegressor(n_estimators=5, random_state=0).fit(x, x @ [1.0, 2.0, 3.0])
    bundle = package_model(save(model), into=tmp_path)
    assert bundle.manifest.task == "regressor"
    frame = pd.DataFrame(x, columns=["x0", "x1", "x2"])
    np.testing.assert_allclose(answers(bundle, frame)["value"].ravel(), model.predict(x), rtol=1e-5)


def test_a_model_without_names_takes_those_of_the_sample(save: Save, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(50, 2))
    pd.DataFrame(x, columns=["höhe", "width in m"]).to_csv(tmp_path / "rows.csv", index=False)
    model = save(LinearRegression().fit(x, x[:, 0]))
    told: list[str] = []
    bundle = package_model(
        model, sample=tmp_path / "rows.csv", into=tmp_path, progress=lambda _, detail: told.append(detail)
    )
    assert [field.name for field in bundle.manifest.inputs] == ["höhe", "width in m"]
    assert any("no feature names" in line for line in told)


def test_none_and_nan_are_told_apart_as_the_encoder_does(save: Save, tmp_path: Path) -> None:
    rows = pd.DataFrame({"word": pd.Series(["x", "y", None] * 20, dtype=object), "size": np.arange(60.0)})
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["word"]), remainder="passthrough"),
        LogisticRegression(),
    ).fit(rows, rows["word"].isna() ^ (rows["size"] > 40))
    assert model[0].transformers_[0][1].categories_[0][-1] is None
    bundle = package_model(save(model), into=tmp_path)
    got = answers(bundle, rows)
    np.testing.assert_allclose(got["probabilities"], model.predict_proba(rows), rtol=1e-12)


def test_names_in_any_script_survive(save: Save, tmp_path: Path) -> None:
    rows = pd.DataFrame({"Größe (cm)": np.arange(40.0), "a.b c": np.arange(40.0) % 7, "名前": ["東京", "大阪"] * 20})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["名前"]), remainder="passthrough"), LinearRegression()
    ).fit(rows, rows["a.b c"])
    bundle = package_model(save(model), sample=tmp_path / "rows.csv", into=tmp_path)
    assert [field.name for field in bundle.manifest.inputs] == list(rows)
    assert bundle.manifest.inputs[2].categories == ("大阪", "東京")
    assert bundle.manifest.inputs[2].unknown == "reject"


@pytest.mark.parametrize("name", ['say "age"', "back\\slash", "tab\tbed", ""])
def test_a_name_that_cannot_be_a_key_is_refused_before_anything_is_written(
    save: Save, tmp_path: Path, name: str
) -> None:
    data = pd.DataFrame({name: [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
    model = LinearRegression().fit(data, [0.0, 1.0, 2.0, 3.0])
    with pytest.raises(UsageError, match="cannot be served"):
        package_model(save(model), into=tmp_path / "build")
    assert not (tmp_path / "build").exists()


def test_a_model_to_be_served_as_it_is_meets_no_converter(
    save: Save, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Original, "convert", lambda *_: asked.append("a converter"))

    def served(*_: Any, **__: Any) -> Any:
        raise MldeployError("served")

    monkeypatch.setattr("mldeploy.model.package.serve_as_it_is", served)
    model = LinearRegression().fit(np.arange(8.0).reshape(4, 2), [1.0, 2.0, 0.0, 4.0])
    with pytest.raises(MldeployError, match="served"):
        package_model(save(model), into=tmp_path / "build", backend="native")
    assert asked == []


def test_a_model_that_nothing_converts_is_named(save: Save, tmp_path: Path) -> None:
    x = np.random.default_rng(0).random(size=(50, 2))
    model = make_pipeline(NMF(1), DummyClassifier()).fit(x, x[:, 0] > 0.5)
    with pytest.raises(MldeployError) as caught:
        package_model(save(model), into=tmp_path / "build")
    assert caught.value.exit_code == ExitCode.FAILED
    assert "NMF" in caught.value.cause
    assert not (tmp_path / "build").exists()


class TestCommand:
    def test_it_prints_the_outcome_as_json(self, churn: Any, sample: Path, save: Save, tmp_path: Path) -> None:
        model, out = save(churn, "churn_v1.2.0.joblib"), tmp_path / "build"
        arguments = ["package", str(model), "--sample", str(sample), "--out", str(out), "--no-image", "--json"]
        result = CliRunner().invoke(app, [*arguments, "--metadata", "owner=ann"])
        assert result.exit_code == 0, result.stderr
        outcome = json.loads(result.stdout)
        assert outcome["bundle"] == str(out / "churn-1.2.0")
        assert outcome["proof"]["label_flips"] == 0
        assert read_bundle(out / "churn-1.2.0").manifest.metadata == {"owner": "ann"}

    def test_metadata_must_be_pairs(self, churn: Any, save: Save) -> None:
        result = CliRunner().invoke(app, ["package", str(save(churn)), "--metadata", "owner"])
        assert isinstance(result.exception, UsageError)


class TestSamplesThatDoNotFit:
    def refusal(self, model: Path, sample: Path, into: Path) -> UsageError:
        with pytest.raises(UsageError) as caught:
            package_model(model, sample=sample, into=into)
        return caught.value

    def test_missing_and_extra_columns_are_named(
        self, churn: Any, people: pd.DataFrame, save: Save, tmp_path: Path
    ) -> None:
        people.rename(columns={"plan": "Plan"}).to_csv(tmp_path / "rows.csv", index=False)
        error = self.refusal(save(churn), tmp_path / "rows.csv", tmp_path)
        assert "missing: plan" in error.cause
        assert "Plan" in error.cause.split("not of the model")[1]

    @pytest.mark.parametrize(
        ("name", "content"),
        [("rows.parquet", b"nothing"), ("rows.csv", b"a,b\n"), ("rows.xlsx", b""), ("rows.csv", b"")],
    )
    def test_unreadable_ones(self, name: str, content: bytes, churn: Any, save: Save, tmp_path: Path) -> None:
        (tmp_path / name).write_bytes(content)
        assert name in self.refusal(save(churn), tmp_path / name, tmp_path).message


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("unknown", ["warn", "reject"])
def test_what_an_unseen_category_means_can_be_set(
    unknown: Any, churn: Any, sample: Path, save: Save, tmp_path: Path
) -> None:
    bundle = package_model(save(churn), sample=sample, into=tmp_path / "build", unknown=unknown)
    [plan] = [field for field in bundle.manifest.inputs if field.name == "plan"]
    assert plan.unknown == unknown
    seen = {instance["plan"] for instance in bundle.golden.instances} <= {"basic", "plus", "pro", None}
    assert seen is (unknown == "reject"), "the server must be able to answer the golden rows"


@pytest.mark.usefixtures("in_process")
def test_a_field_whose_encoder_takes_no_unseen_category_refuses_it_whatever_is_set(
    people: pd.DataFrame, churned: pd.Series[Any], sample: Path, save: Save, tmp_path: Path
) -> None:
    model = make_pipeline(mixed_columns("error"), LogisticRegression()).fit(people, churned)
    bundle = package_model(save(model), sample=sample, into=tmp_path / "build", unknown="warn")
    assert [field.unknown for field in bundle.manifest.inputs if field.name == "plan"] == ["reject"]
