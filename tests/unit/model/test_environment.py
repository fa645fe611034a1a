"""Which environment a file asks for, told from what it records."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import catboost
import joblib
import numpy as np
import pytest
import sklearn
import xgboost
from sklearn.linear_model import LogisticRegression

from mldeploy.errors import UsageError
from mldeploy.installer import explanation
from mldeploy.model.companions import all_series, series_of
from mldeploy.model.environment import Needs, meets, needs_of, request_of
from mldeploy.model.recorded import recorded_version
from mldeploy.model.scan import Names, scan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Save = Callable[..., Path]

X = np.random.default_rng(0).normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(int)


def recorded(model: Any, save: Save) -> dict[str, frozenset[str]]:
    return scan(save(model)).versions


def test_the_versions_that_libraries_record_are_found(save: Save, churn: Any) -> None:
    booster = xgboost.XGBClassifier(n_estimators=2).fit(X, Y)
    trees = catboost.CatBoostClassifier(iterations=2, verbose=0, allow_writing_files=False).fit(X, Y)
    assert recorded(churn, save) == {"sklearn": frozenset({sklearn.__version__})}
    assert recorded(booster, save) == {"xgboost": frozenset({xgboost.__version__})}
    assert recorded([trees, np.array([booster], dtype=object)], save) == {
        "catboost": frozenset({catboost.__version__}),
        "xgboost": frozenset({xgboost.__version__}),
    }


def test_the_version_in_older_boosters_json_is_found() -> None:
    state = {"handle": bytearray(b'CONFIG-offset:{"learner":{},"version":[1,4,2]}')}
    assert recorded_version("xgboost.core.Booster", state) == ("xgboost", "1.4.2")


def test_the_running_environment_serves_what_it_has(save: Save) -> None:
    path = save(LogisticRegression().fit(X, Y))
    needs = needs_of(path, scan(path))
    assert needs == Needs(frozenset({"sklearn"}), {"sklearn": sklearn.__version__})
    assert meets(needs)
    assert not meets(Needs(frozenset({"sklearn"}), {"sklearn": "1.2.2"}))
    assert not meets(Needs(frozenset({"sklearn"}), extra="polars\n"))


def test_a_file_saved_in_parts_by_several_versions_is_refused(tmp_path: Path) -> None:
    names = Names(frozenset(), frozenset(), {"sklearn": frozenset({"1.10.0", "1.9.1"})})
    with pytest.raises(UsageError, match="several versions of scikit-learn") as refusal:
        needs_of(tmp_path / "model.joblib", names)
    assert refusal.value.cause == "1.9.1, 1.10.0"


def test_a_recorded_version_cannot_bring_other_packages(tmp_path: Path) -> None:
    for hostile in ("1.2.2\nevil", "1.2.2 --index-url http://x", "@ http://x/evil.whl", "", "1.2.2; a"):
        names = Names(frozenset(), frozenset(), {"sklearn": frozenset({hostile})})
        with pytest.raises(UsageError, match="hostile"):
            needs_of(tmp_path / "model.joblib", names)
    for version in ("1.2.2", "1.6.0rc1", "1.9.dev0", "0.24.2.post1"):
        needs_of(tmp_path / "model.joblib", Names(frozenset(), frozenset(), {"sklearn": frozenset({version})}))


def test_a_missing_requirements_file_is_named(save: Save, tmp_path: Path) -> None:
    path = save(LogisticRegression().fit(X, Y))
    with pytest.raises(UsageError, match=r"none\.txt"):
        needs_of(path, scan(path), tmp_path / "none.txt")


def test_an_environment_has_the_recorded_version_and_what_goes_with_it() -> None:
    request = request_of(Needs(frozenset({"sklearn", "lightgbm"}), {"sklearn": "1.2.0"}))
    assert "scikit-learn==1.2.0" in request.requirements
    assert {"lightgbm", "pandas", "onnx", "skl2onnx"} <= set(request.requirements)
    assert "xgboost" not in request.requirements
    assert {"numpy==1.24.4", "lightgbm==3.3.5", "protobuf==6.33.6"} <= set(request.constraints)
    assert request.pythons == ("3.11", "3.10", "3.9")


def test_a_recorded_booster_goes_before_the_one_of_the_series() -> None:
    request = request_of(Needs(frozenset({"sklearn", "xgboost"}), {"sklearn": "1.5.2", "xgboost": "2.0.3"}))
    assert "xgboost==2.0.3" in request.requirements
    assert not [pin for pin in request.constraints if pin.startswith("xgboost")]


@pytest.mark.parametrize(
    ("versions", "latest"),
    [
        ({"scikit-learn": "1.5.0"}, "1.5.2"),
        ({"scikit-learn": "1.10.0"}, None),
        ({"xgboost": "1.7.3"}, "1.2.2"),
        ({"xgboost": "2.1.0"}, "1.5.2"),
        ({"catboost": "1.2.5"}, "1.4.2"),
        ({"xgboost": "99.0"}, all_series()[-1].latest),
        ({}, all_series()[-1].latest),
    ],
)
def test_the_series_is_that_of_the_library_that_records_its_version(
    versions: dict[str, str], latest: str | None
) -> None:
    series = series_of(versions)
    assert (series and series.latest) == latest


def test_without_a_scikit_learn_in_the_file_the_booster_decides() -> None:
    request = request_of(Needs(frozenset({"xgboost"}), {"xgboost": "1.7.3"}))
    assert {"xgboost==1.7.3", "scikit-learn==1.2.2"} <= set(request.requirements)


def test_the_newest_series_is_the_one_that_mldeploy_itself_is_tested_with() -> None:
    assert all_series()[-1].latest == sklearn.__version__
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in all_series()[-1].pythons


def test_what_uv_says_becomes_one_line() -> None:
    said = (
        "warning: something else\n  cause: of no interest\nerror: No solution found\n"
        "  cause: Because a==1 has\n         no wheels\n\nhint: try this\n"
    )
    assert explanation(said) == "No solution found Because a==1 has no wheels"


def test_models_that_joblib_did_not_write_are_scanned_alike(tmp_path: Path) -> None:
    joblib.dump(LogisticRegression().fit(X, Y), tmp_path / "model.pkl.gz")
    assert scan(tmp_path / "model.pkl.gz").versions.keys() == {"sklearn"}
