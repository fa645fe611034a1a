"""A file that would run code of its own is not opened."""

from __future__ import annotations

import gzip
import os
import pickle
import zlib
from typing import TYPE_CHECKING, Any

import cloudpickle
import joblib
import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from mldeploy.errors import UsageError
from mldeploy.model.child.session import Session
from mldeploy.model.names import PACKAGES, STANDARD
from mldeploy.model.package import package_model
from mldeploy.model.scan import require_trusted, scan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Hostile:
    """Creates the marker file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def refusal(path: Path) -> UsageError:
    with pytest.raises(UsageError) as caught:
        require_trusted(path)
    return caught.value


def opened(path: Path, *trusted: str) -> dict[str, Any]:
    """What the child's code makes of a file that the scan let through."""
    request = {"do": "open", "path": str(path), "packages": [*PACKAGES, *trusted], "names": list(STANDARD)}
    return Session().handle(request)


def dump_plain(value: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


def dump_by_cloudpickle(value: Any, path: Path) -> None:
    path.write_bytes(cloudpickle.dumps(value))


def compressed(method: str) -> Callable[[Any, Path], Any]:
    return lambda value, path: joblib.dump(value, path, compress=(method, 3))


def by_value(marker: str) -> dict[str, Any]:
    """Models with code in them, as of a notebook; the class creates the marker file when it is loaded."""

    def stamp(model: Any, state: dict[str, Any]) -> None:
        np.zeros(1).tofile(marker)
        model.__dict__ = state

    stamped: Any = type("Stamped", (LinearRegression,), {"__setstate__": stamp})
    x = np.arange(12.0).reshape(4, 3)
    return {
        "class": stamped().fit(x, x[:, 0]),
        "function": make_pipeline(FunctionTransformer(lambda rows: rows * 2), LinearRegression()).fit(x, x[:, 0]),
    }


def dump_gzip(value: Any, path: Path) -> None:
    path.write_bytes(gzip.compress(pickle.dumps(value)))


def dump_zlib(value: Any, path: Path) -> None:
    path.write_bytes(zlib.compress(pickle.dumps(value)))


def dump_inside_an_array(value: Any, path: Path) -> None:
    joblib.dump({"numbers": np.arange(10), "objects": np.array([1, value], dtype=object)}, path)


@pytest.mark.parametrize("dump", [dump_plain, dump_gzip, dump_zlib, dump_inside_an_array])
def test_hostile_files_are_named_and_run_nothing(dump: Callable[[Any, Path], None], tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "model.joblib"
    dump(Hostile(marker), path)
    error = refusal(path)
    assert "posix.system" in error.cause
    assert "--trust posix" in error.remedy
    with pytest.raises(UsageError):
        package_model(path, into=tmp_path / "build")
    assert not marker.exists()


def test_the_marker_test_would_see_code_run(tmp_path: Path) -> None:
    dump_plain(Hostile(tmp_path / "marker"), tmp_path / "model.joblib")
    joblib.load(tmp_path / "model.joblib")
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "stream",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy.testing._private.utils\nrunstring\n(S'1'\n}tR.",
        b"cpandas\nread_pickle\n(S'/x'\ntR.",
        b"cjoblib\nload\n(S'/x'\ntR.",
        b"cfunctools\npartial\n(cnumpy\nsave\nS'x'\ntR(tR.",
        b"(cjoblib.externals.loky.process_executor\nPopen\nS'ls'\no.",
    ],
)
def test_calls_into_trusted_packages_are_held_to_what_rebuilds_objects(stream: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(stream)
    assert "would run code" in refusal(path).message


@pytest.mark.parametrize(
    "stream",
    [
        b"\x80\x04\x8c\x16sklearn.datasets._base\x8c\x09os.system\x93.",
        b"csklearn.datasets._base\nos\n.",
        b"csklearn.datasets._base\nPath\n.",
    ],
)
def test_a_trusted_package_is_no_way_to_what_it_imported(stream: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(stream)
    assert "would run code" in opened(path).get("unusable", "")


def test_trust_allows_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cmyteam.models\nChurn\n)\x81.")
    assert "myteam.models.Churn" in refusal(path).cause
    require_trusted(path, ["myteam"])
    require_trusted(path, ["myteam.models"])
    with pytest.raises(UsageError):
        require_trusted(path, ["my"])


@pytest.mark.parametrize("holds", ["class", "function"])
def test_code_by_value_is_named_with_what_to_do_and_not_run(holds: str, tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "model.pkl"
    dump_by_cloudpickle(by_value(str(marker))[holds], path)
    with pytest.raises(UsageError) as caught:
        package_model(path, into=tmp_path / "build")
    error = caught.value
    assert "would run code of its own" in error.message
    assert "functions or classes of a notebook or script by value" in error.cause
    assert "cloudpickle.cloudpickle._make_function" in error.cause
    for option in ("--trust cloudpickle", "--backend native", "--code DIR"):
        assert option in error.remedy
    assert not marker.exists()


def test_what_a_notebook_defined_and_the_file_only_names_is_said_to_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"c__main__\nDoubling\n)\x81.")
    error = refusal(path)
    assert "needs code that is not in it" in error.message
    assert "__main__.Doubling" in error.cause
    assert "--trust" not in error.remedy
    assert "--code DIR" in error.remedy


def test_code_by_value_is_run_once_it_is_trusted(tmp_path: Path) -> None:
    marker, path = tmp_path / "marker", tmp_path / "model.pkl"
    for holds, model in by_value(str(marker)).items():
        dump_by_cloudpickle(model, path)
        assert require_trusted(path, ["cloudpickle"]).holds_code
        assert (
            opened(path, "cloudpickle")["estimator"]
            == {
                "class": "Stamped",
                "function": "Pipeline(FunctionTransformer -> LinearRegression)",
            }[holds]
        )
    assert marker.exists()


def test_what_is_imported_by_name_holds_no_code(churn: Any, tmp_path: Path) -> None:
    dump_by_cloudpickle(churn, tmp_path / "model.pkl")
    assert not scan(tmp_path / "model.pkl").holds_code


@pytest.mark.parametrize(
    "dump",
    [joblib.dump, dump_plain, dump_by_cloudpickle, *map(compressed, ("zlib", "gzip", "bz2", "lzma", "xz"))],
    ids=["joblib", "pickle", "cloudpickle", "zlib", "gzip", "bz2", "lzma", "xz"],
)
def test_ordinary_models_pass(dump: Callable[[Any, Path], Any], churn: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    models = [
        churn,
        GradientBoostingClassifier(n_estimators=3).fit(x, x[:, 0] > 0),
        HistGradientBoostingRegressor(max_iter=3).fit(x, x[:, 0]),
    ]
    for model in models:
        dump(model, tmp_path / "model.joblib")
        require_trusted(tmp_path / "model.joblib")
        assert "unusable" not in opened(tmp_path / "model.joblib")


def test_a_compression_that_is_not_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    path.write_bytes(b"\x04\x22\x4d\x18 and what lz4 wrote")
    error = refusal(path)
    assert "compressed by lz4" in error.message
    assert "compress=" in error.remedy


def test_damaged_files_are_no_models(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    for content in (b"hello", b"\x1f\x8bnot gzip", b"\x78\x9cnot zlib", b"\x80\x05", b"BZ"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="cannot be read as a model"):
            scan(path)
