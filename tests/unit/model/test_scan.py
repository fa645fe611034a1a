"""A file that would run code of its own is not opened."""

from __future__ import annotations

import gzip
import os
import pickle
import zlib
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor

from mldeploy.errors import UsageError
from mldeploy.model.child.session import Session
from mldeploy.model.package import package_model
from mldeploy.model.scan import PACKAGES, STANDARD, require_trusted, scan

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


def opened(path: Path) -> dict[str, Any]:
    """What the child's code makes of a file that the scan let through."""
    request = {"do": "open", "path": str(path), "packages": list(PACKAGES), "names": list(STANDARD)}
    return Session().handle(request)


def dump_plain(value: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(value))


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


@pytest.mark.parametrize("dump", [joblib.dump, dump_plain])
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


def test_damaged_files_are_no_models(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    for content in (b"hello", b"\x1f\x8bnot gzip", b"\x78\x9cnot zlib", b"\x80\x05", b"BZ"):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="cannot be read as a model"):
            scan(path)
