"""Every kind of model, from its file to the answers of the server: what the original says, in the form of its kind."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import httpx
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDOneClassSVM
from sklearn.mixture import GaussianMixture
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from mldeploy.errors import UsageError
from mldeploy.model.child.session import Session
from mldeploy.model.names import PACKAGES, STANDARD
from mldeploy.model.package import package_model
from mldeploy_runtime.http.app import build_app
from mldeploy_runtime.http.handling import Handling
from mldeploy_runtime.http.routes import build_routes
from mldeploy_runtime.logs import Log
from mldeploy_runtime.service import Service
from mldeploy_runtime.settings import Settings
from tests.unit.model.conftest import InProcess

if TYPE_CHECKING:
    from pathlib import Path

    from mldeploy.bundle import Manifest

SOURCE = np.random.default_rng(5)
X = pd.DataFrame(SOURCE.normal(size=(120, 3)), columns=["a", "b", "c"])
FRESH = pd.DataFrame(SOURCE.normal(size=(5, 3)), columns=["a", "b", "c"])
LABELS = np.column_stack([np.where(X["a"] > 0, "up", "down"), np.select([X["b"] > 1, X["b"] > 0], ["x", "y"], "z")])
FLAGS = (X[["b", "c"]] > 0).astype(int).to_numpy()


def of_classes(model: Any) -> list[dict[str, Any]]:
    shares = [each.tolist() for each in model.predict_proba(FRESH)]
    return [
        {
            "labels": {f"y{at}": label for at, label in enumerate(labels)},
            "probabilities": {
                f"y{at}": {str(each): share for each, share in zip(classes, shares[at][row], strict=True)}
                for at, classes in enumerate(model.classes_)
            },
        }
        for row, labels in enumerate(model.predict(FRESH).tolist())
    ]


def of_labels(model: Any) -> list[dict[str, Any]]:
    return [{"labels": {f"y{at}": label for at, label in enumerate(row)}} for row in model.predict(FRESH).tolist()]


def of_values(model: Any) -> list[dict[str, Any]]:
    return [{"values": {f"y{at}": value for at, value in enumerate(row)}} for row in model.predict(FRESH).tolist()]


def of_columns(model: Any) -> list[dict[str, Any]]:
    names = model.get_feature_names_out()
    return [{"values": dict(zip(names, row, strict=True))} for row in model.transform(FRESH).tolist()]


def of_outliers(model: Any) -> list[dict[str, Any]]:
    scores = model.decision_function(FRESH)
    return [{"label": int(each), "score": score} for each, score in zip(model.predict(FRESH), scores, strict=True)]


def of_clusters(model: Any) -> list[dict[str, Any]]:
    return [{"label": int(label)} for label in model.predict(FRESH)]


CASES = {
    "outlier": (SGDOneClassSVM(random_state=0), None, of_outliers),
    "clusterer": (KMeans(3, n_init=1, random_state=0), None, of_clusters),
    "multi-classifier": (DecisionTreeClassifier(max_depth=3), LABELS, of_classes),
    "multi-classifier/flags": (MultiOutputClassifier(LogisticRegression()), FLAGS, of_classes),
    "multi-classifier/votes": (MultiOutputClassifier(LinearSVC()), LABELS, of_labels),
    "multi-regressor": (LinearRegression(), X[["a", "b"]].to_numpy() ** 2, of_values),
    "transformer": (make_pipeline(StandardScaler(), PCA(2)), None, of_columns),
    "transformer/one": (make_pipeline(StandardScaler(), PCA(1)), None, of_columns),
}


@pytest.fixture(scope="module", params=CASES)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The bundle's manifest, a loaded service, and what the original answers to the fresh rows."""
    model, target, expected = CASES[request.param]
    folder = tmp_path_factory.mktemp("kind")
    joblib.dump(model.fit(X, target), folder / "model.joblib")
    X.to_parquet(folder / "sample.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mldeploy.model.package.Child", InProcess)
        bundle = package_model(folder / "model.joblib", sample=folder / "sample.parquet", into=folder)
    service = Service(Settings(bundle.path), Log(os.open(os.devnull, os.O_WRONLY)))
    asyncio.run(service.load())
    assert bundle.manifest.task == request.param.partition("/")[0]
    return bundle.manifest, service, expected(model)


def asked(service: Service, method: str, path: str, body: Any = None) -> Any:
    async def ask() -> httpx.Response:
        handling = Handling(service)
        transport = httpx.ASGITransport(build_app(handling, build_routes(handling)))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, json=body)

    response = asyncio.run(ask())
    assert response.status_code == 200, response.text
    return response.json()


def close(answered: Any, expected: Any) -> bool:
    """Equal labels and keys, and numbers within the tolerance of the proof."""
    if isinstance(expected, dict):
        return answered.keys() == expected.keys() and all(close(answered[key], expected[key]) for key in expected)
    return bool(answered == (pytest.approx(expected, rel=1e-5, abs=1e-5) if isinstance(expected, float) else expected))


def test_the_server_is_ready_and_answers_as_the_original(served: tuple[Manifest, Service, Any]) -> None:
    _, service, expected = served
    assert service.ready, service.reason
    answers = asked(service, "POST", "/predict", {"instances": FRESH.to_dict("records")})["predictions"]
    assert all(close(answer, each) for answer, each in zip(answers, expected, strict=True)), (answers, expected)


def test_openapi_names_every_output(served: tuple[Manifest, Service, Any]) -> None:
    manifest, service, expected = served
    schemas = asked(service, "GET", "/openapi.json")["components"]["schemas"]
    [name] = [name for name in schemas if name.endswith("Prediction")]
    assert expected[0].keys() <= schemas[name]["properties"].keys()
    if manifest.outputs.names:
        [outputs] = [each for key, each in schemas[name]["properties"].items() if key in ("values", "labels")]
        assert outputs["required"] == list(manifest.outputs.names)


def test_the_v2_protocol_answers_what_its_metadata_says(served: tuple[Manifest, Service, Any]) -> None:
    manifest, service, expected = served
    inputs = [{"name": name, "shape": [len(FRESH)], "datatype": "FP64", "data": FRESH[name].tolist()} for name in FRESH]
    path = f"/v2/models/{manifest.name}"
    described = asked(service, "GET", path)["outputs"]
    outputs = asked(service, "POST", f"{path}/infer", {"inputs": inputs})["outputs"]
    assert [(each["name"], each["datatype"]) for each in outputs] == [
        (each["name"], each["datatype"]) for each in described
    ]
    for output in outputs:
        assert np.prod(output["shape"]) == len(output["data"])
        wanted = [each for prediction in expected for each in held(prediction, output["name"])]
        assert all(close(got, want) for got, want in zip(output["data"], wanted, strict=True))


def held(prediction: dict[str, Any], tensor: str) -> list[Any]:
    """What one row of an output tensor holds; `label:y0` is the label of the output y0."""
    kind, _, output = tensor.partition(":")
    found = prediction["labels" if output and kind == "label" else kind]
    found = found[output] if output else found
    return list(found.values()) if isinstance(found, dict) else [found]


def test_golden_rows_of_every_label_are_kept(served: tuple[Manifest, Service, Any]) -> None:
    _, service, _ = served
    report = asyncio.run(service.check_golden())
    assert report.holds
    assert report.rows == 32
    labels = {json.dumps(each.get("label", each.get("labels"))) for each in service.golden.predictions}
    if service.manifest.graph.label:
        assert len(labels) > 1


@pytest.mark.parametrize(
    ("model", "said"),
    [(GaussianMixture(2), "clusterer"), (LocalOutlierFactor(novelty=True), "outlier")],
)
def test_what_a_model_is_follows_from_how_it_answers(model: Any, said: str, tmp_path: Path) -> None:
    joblib.dump(model.fit(X), tmp_path / "model.joblib")
    session = Session()
    opened = {"path": str(tmp_path / "model.joblib"), "packages": sorted(PACKAGES), "names": sorted(STANDARD)}
    assert "unusable" not in session.handle({"do": "open", **opened})
    fields = [{"name": name, "dtype": "float", "missing_is_none": False, "categories": None} for name in X]
    answer = session.handle({"do": "answer", "fields": fields, "columns": FRESH.to_dict("list")})
    assert answer["kind"]["task"] == said


def test_a_detector_that_judges_no_new_rows_says_how_to_have_one_that_does(tmp_path: Path) -> None:
    joblib.dump(LocalOutlierFactor().fit(X), tmp_path / "model.joblib")
    with pytest.raises(UsageError, match="no new rows") as refusal:
        package_model(tmp_path / "model.joblib", into=tmp_path)
    assert "novelty=True" in refusal.value.remedy
