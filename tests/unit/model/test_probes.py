"""The rows of the proof reach what makes a model answer otherwise, wherever in the model it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier, VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, QuantileTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mldeploy.bundle import Graph, Outputs
from mldeploy.model.child.facts import find_facts
from mldeploy.model.child.session import Session
from mldeploy.model.ladder import ParityError, climb
from mldeploy.model.original import Answers, Original
from mldeploy.model.parity import Converted, Converter, prove
from mldeploy.model.probes import proof_rows
from mldeploy.model.report import parity_html, report_json
from mldeploy.model.rows import Rows
from mldeploy.model.signature import Field, ask_what_is_refused, infer_fields
from tests.zoo.judge import asking

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = np.random.default_rng(1)
X = SOURCE.normal(size=(150, 2)) * [1.0, 50.0]
Y = (X[:, 1] > 20).astype(int)
STUMP = DecisionTreeClassifier(max_depth=1)


@pytest.mark.parametrize(
    "model",
    [
        STUMP,
        make_pipeline(StandardScaler(), STUMP),
        GridSearchCV(STUMP, {"max_depth": [1]}, cv=2),
        FixedThresholdClassifier(STUMP, threshold=0.4),
        CalibratedClassifierCV(STUMP, cv=2),
        VotingClassifier([("tree", STUMP), ("other", LogisticRegression())]),
        make_pipeline(Binarizer(threshold=20.0), LogisticRegression()),
        make_pipeline(QuantileTransformer(n_quantiles=30), LogisticRegression()),
        BaggingClassifier(STUMP, max_features=1, n_estimators=8, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_threshold_is_found_through_every_wrapper_and_in_the_fields_own_units(model: Any) -> None:
    _, second = find_facts(model.fit(X, Y), None, 2)
    assert any(abs(threshold - 20) < 5 for threshold in second["thresholds"])


def test_the_members_of_a_chain_are_given_more_than_the_fields() -> None:
    chain = ClassifierChain(DecisionTreeClassifier(max_depth=2)).fit(X, np.column_stack([Y, X[:, 0] > 0]))
    first, second = find_facts(chain, None, 2)
    assert first["thresholds"]
    assert second["thresholds"]


def test_a_field_is_probed_at_and_beside_each_threshold_as_double_and_as_float32() -> None:
    rows = proof_rows([Field("x", "float", 0.0, thresholds=(0.1,))], None)
    probed = {value for value, origin in zip(rows.columns["x"], rows.origins, strict=True) if "threshold" in origin}
    single = np.float32(0.1)
    below, above = (float(np.nextafter(single, np.float32(end))) for end in (0, 1))
    assert probed == {0.1, math.nextafter(0.1, 0), math.nextafter(0.1, 1), below, above}


def test_fields_of_whole_numbers_are_probed_on_both_sides_of_a_threshold() -> None:
    rows = proof_rows([Field("x", "int", 0, thresholds=(-2.5,))], None)
    probed = {value for value, origin in zip(rows.columns["x"], rows.origins, strict=True) if "threshold" in origin}
    assert {-3, -2} <= probed


def test_numbers_beside_the_categories_are_unseen() -> None:
    field = Field("x", "float", 1.0, categories=(1.0, 2.0), takes_unknown=True)
    rows = proof_rows([field], None)
    assert {0.0, 1.7, 2.7, 3.0} <= set(rows.columns["x"])


def test_a_field_may_have_any_name() -> None:
    rows = proof_rows([Field("origin", "float", 0.0, nullable=True), Field("self", "float", 0.0)], None)
    assert any(origin == "missing: origin" for origin in rows.origins)


def test_many_fields_share_the_number_of_thresholds() -> None:
    fields = [Field(f"x{place}", "float", 0.0, thresholds=tuple(range(64))) for place in range(300)]
    assert len(proof_rows(fields, None)) < 25_000


def test_texts_are_made_of_the_models_own_words() -> None:
    model = CountVectorizer().fit(["good film", "bad film"])
    model.n_features_in_ = 1
    [fact] = find_facts(model, ["review"], 1)
    assert (fact["text"], fact["words"]) == (True, ["bad", "film", "good"])
    rows = proof_rows([Field("review", "string", "text", words=tuple(fact["words"]))], None)
    drawn = [text for text, origin in zip(rows.columns["review"], rows.origins, strict=True) if origin == "drawn"]
    assert len(set(drawn)) > 100
    assert "BAD FILM GOOD" in rows.columns["review"]


def test_a_graph_that_is_wrong_in_a_batch_of_one_alone_is_caught() -> None:
    rows = Rows({"x": [0.0, 1.0, 2.0]}, ["sample", "drawn", "threshold: x"])
    answers = Answers("regressor", Outputs(), None, None, [0.0, 1.0, 2.0], None, {})

    class Squeezing(Converter):
        """Answers every row but one that comes alone."""

        def __init__(self) -> None:
            self.graph, self.outputs = Graph(tensors=()), Outputs()

        def answer(self, rows: Rows) -> Converted:
            values = np.array(rows.columns["x"], dtype=float) * (len(rows) > 1)
            return Converted(None, None, values, None)

    comparison = prove(rows, answers, Squeezing(), 1e-5)
    assert comparison.proof.rows_over_tolerance == 3  # 1.0 and 2.0 alone, and the last of three pairs
    assert comparison.worst_probe.startswith("alone: ")
    assert {mismatch.origin.split(":")[0] for mismatch in comparison.worst} == {"alone", "in pairs"}


@pytest.mark.parametrize(
    ("model", "rung"),
    [
        (HistGradientBoostingClassifier(max_iter=5), "skl2onnx-float32"),
        (make_pipeline(Binarizer(threshold=20.1), LogisticRegression()), "skl2onnx-float64"),
    ],
    ids=["trees", "binarizer"],
)
def test_a_stock_conversion_that_is_wrong_beside_thresholds_alone_is_not_proven(
    model: Any, rung: str, tmp_path: Path
) -> None:
    """The common converter rounds their thresholds to float32, in its double graphs too."""
    model.fit(X, Y)
    path = tmp_path / "model.joblib"
    joblib.dump(model, path)
    original = Original(path, asking(Session()), tmp_path)
    fields, _ = infer_fields(original.open(), None)
    fields = ask_what_is_refused(original, fields, None)
    rows = proof_rows(fields, None)
    answers = original.answer([field.type() for field in fields], rows)
    with pytest.raises(ParityError) as refusal:
        climb(original, fields, rows, answers, 1e-5, (rung,))
    assert {mismatch.origin.split(":")[0] for mismatch in refusal.value.worst} == {"threshold"}


def test_the_report_names_the_worst_probe(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(pd.DataFrame(X, columns=["a", "b"]), Y)
    path = tmp_path / "model.joblib"
    joblib.dump(model, path)
    original = Original(path, asking(Session()), tmp_path)
    fields = ask_what_is_refused(original, infer_fields(original.open(), None)[0], None)
    rows = proof_rows(fields, None)
    answers = original.answer([field.type() for field in fields], rows)
    proven, attempts = climb(original, fields, rows, answers, 1e-3, ("skl2onnx-float32",))
    worst = proven.comparison.worst_probe
    assert worst in rows.origins or worst.startswith(("alone", "in pairs"))
    assert f'"worst_probe": "{worst}"' in report_json("model", proven, attempts, [], [])
    assert f"<code>{worst}</code>" in parity_html("model", "model", proven, attempts, [], [])
