"""Streams that use trusted names alone, or hide what they use from the scan, and run code nevertheless."""

from __future__ import annotations

import pickle
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer

from mldeploy.errors import UsageError
from mldeploy.model.child.allowed import Allowed, NotAllowed
from mldeploy.model.names import PACKAGES, STANDARD, is_known
from mldeploy.model.scan import require_trusted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RUNSTRING = b"cnumpy.testing._private.utils\nrunstring\n"
KERNEL = b"csklearn.gaussian_process.kernels\nRBF\n)\x81"
SYSTEM = b"cnumpy.core\n_ufunc_reconstruct\n(S'os'\nS'system'\ntR"
SHARED = b"csklearn.utils._mocking\nArraySlicingWrapper\n)\x81"
CLASS = b"cbuiltins\ntype\n(S'X'\n(cbuiltins\nobject\nt}S'__setstate__'\n%sst%s)\x81}b."

BY_NAMES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "class-made-by-a-call": lambda run, _: CLASS % (run, b"R"),
    "class-made-as-an-instance": lambda run, _: CLASS % (run, b"\x81"),
    "class-of-an-instance": lambda run, _: (
        b"cbuiltins\ntype\n(%stR(N}S'__setstate__'\n%sstb0%s}b." % (SHARED, run, SHARED)
    ),
    "method-in-the-state": lambda run, _: b"%s}S'__setstate__'\n%ssb}b." % (KERNEL, run),
    "list-method-in-the-state": lambda _, command: b"%s}S'append'\n%ssbS%s\na." % (KERNEL, SYSTEM, command),
    "function-by-its-name": lambda _, command: (
        b"cnumpy.random._pickle\n__randomstate_ctor\n(S%s\n%stR." % (command, SYSTEM)
    ),
}
"""Each as a function of a partial that runs code, and of a command for a shell."""


def quoted(text: str) -> bytes:
    return repr(text).encode()


def by_name(way: str, marker: Path) -> bytes:
    run = b"cfunctools\npartial\n(%sS%s\ntR" % (RUNSTRING, quoted(f"open({str(marker)!r}, 'w').close()"))
    return BY_NAMES[way](run, quoted(f"touch {marker}"))


def distribution(marker: Path) -> bytes:
    code = quoted(f"open({str(marker)!r}, 'w').close()")
    return b"cscipy.stats._distn_infrastructure\nrv_continuous\n)\x81}S'_parse_arg_template'\nS%s\nsb." % code


def wrapper(dtype: bytes, made: bytes = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81", count: int = 1) -> bytes:
    """joblib's wrapper of an array, behind which the array's bytes are to follow."""
    return (
        (made + b"}(S'subclass'\ncnumpy\nndarray\nS'shape'\n(I%d\ntS'order'\nS'C'\nS'dtype'\n" % count)
        + dtype
        + b"S'allow_mmap'\nI00\nub"
    )


def swallowed(head: bytes, hidden: bytes) -> bytes:
    """A text to who reads it as a pickle; after `head`, which another steps over, `hidden` is one itself."""
    return b"T" + (len(head) + len(hidden)).to_bytes(4, "little") + head + hidden


def hidden_in_array(way: str, marker: Path) -> bytes:
    run = b"cos\nsystem\n(S%s\ntR0" % quoted(f"touch {marker}")
    double = pickle.dumps(np.dtype("f8"), 0)[:-1]
    if way == "objects-in-fields":
        objects = pickle.dumps(np.dtype([("a", "O")]), 0)[:-1]
        return wrapper(objects) + b"S'aaaaaa" + swallowed(b"'\n", run + b"I1\n.") + b"."
    if way == "text-of-another-size":
        longer = b"cnumpy\ndtype\n(S'S8'\nI00\nI01\ntR(I3\nS'|'\nNNNI80\nI1\nI0\ntb"
        return wrapper(longer) + bytes(8) + swallowed(bytes(67), run) + b"."
    if way == "wrapper-made-otherwise":
        made = b"ccopyreg\n_reconstructor\n(cjoblib.numpy_pickle\nNumpyArrayWrapper\ncbuiltins\nobject\nNtR"
        return wrapper(double, made) + swallowed(bytes(3), run) + b"."
    if way == "array-within-objects":
        padded = run + b"N0" * 8
        padded += b"N" * (-len(padded) % 8)
        objects = b"cnumpy\ndtype\n(S'O8'\nI00\nI01\ntR"
        return wrapper(objects) + wrapper(double, count=len(padded) // 8) + padded + b"I1\n." + b"."
    raise ValueError(way)


HIDDEN = ["objects-in-fields", "text-of-another-size", "wrapper-made-otherwise", "array-within-objects"]


def written(stream: bytes, folder: Path) -> Path:
    path = folder / "model.pkl"
    path.write_bytes(stream)
    return path


def load_anyway(path: Path) -> None:
    """What loading without the scan does, up to where the stream makes no more sense."""
    with suppress(Exception):
        joblib.load(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", [*BY_NAMES, "source-of-a-distribution", *HIDDEN])
def test_code_is_found_however_the_file_gets_it_to_run(way: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    if way in BY_NAMES:
        stream = by_name(way, marker)
    else:
        stream = distribution(marker) if way == "source-of-a-distribution" else hidden_in_array(way, marker)
    path = written(stream, tmp_path)
    with pytest.raises(UsageError):
        require_trusted(path)
    assert not marker.exists()
    load_anyway(path)
    assert marker.exists(), "this stream is no test: it runs nothing"


def test_an_array_of_records_that_hold_objects_is_looked_into(tmp_path: Path) -> None:
    records = np.array([(1.0, b"x"), (2.0, None)], dtype=[("a", "f8"), ("b", "O")])
    joblib.dump({"records": records, "plain": np.zeros(3, [("a", "f8"), ("b", "S3")])}, tmp_path / "model.joblib")
    require_trusted(tmp_path / "model.joblib")


@pytest.mark.parametrize(
    "name",
    [
        "numpy.load",
        "numpy.lib.npyio.load",
        "numpy.f2py.compile",
        "numpy.distutils.exec_command.exec_command",
        "pandas.eval",
        "pandas.read_pickle",
        "pandas.core.computation.expr.Expr",
        "joblib.load",
        "joblib.externals.loky.process_executor.Popen",
        "sklearn.datasets.fetch_openml",
        "sklearn.utils._testing.assert_run_python_script_without_output",
        "sklearn.linear_model._logistic.LogisticRegression.__init__.__globals__",
    ],
)
def test_what_runs_code_or_opens_files_is_no_part_of_a_model(name: str) -> None:
    assert not is_known(name)


@pytest.mark.parametrize(
    "name",
    [
        "numpy.core.multiarray._reconstruct",
        "pandas.core.indexes.base._new_Index",
        "scipy.sparse.csr.csr_matrix",
        "sklearn.neighbors.kd_tree.newObj",
        "xgboost.compat.XGBoostLabelEncoder",
    ],
)
def test_names_of_older_releases_are_known(name: str) -> None:
    assert is_known(name)


def test_models_with_functions_and_distributions_pass(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(1, 2, (40, 3))
    y = x[:, 0] > 1.5
    search = RandomizedSearchCV(LogisticRegression(), {"C": stats.loguniform(0.1, 10)})
    search.set_params(n_iter=2, cv=2, random_state=np.random.RandomState(0), scoring="accuracy")
    model = make_pipeline(FunctionTransformer(np.log1p), SplineTransformer(), SelectKBest(f_classif), search).fit(x, y)
    for protocol in (4, 5):
        written(pickle.dumps([model, type(None), np.random.default_rng(0)], protocol), tmp_path)
        require_trusted(tmp_path / "model.pkl")


def test_arrays_of_joblib_before_0_10_are_not_read_from_their_own_files(tmp_path: Path) -> None:
    for module in (b"numpy_pickle", b"numpy_pickle_compat"):
        stream = b"cjoblib.%s\nNDArrayWrapper\n(S'other.npy'\ncnumpy\nndarray\ntR." % module
        with pytest.raises(UsageError) as caught:
            require_trusted(written(stream, tmp_path), ["joblib"])
        assert "joblib before 0.10" in caught.value.message
        assert "save it again" in caught.value.remedy


def test_every_way_to_unpickle_is_held_to_what_is_allowed(tmp_path: Path) -> None:
    stream = b"cos\ngetcwd\n(tR."
    path = written(stream, tmp_path)
    np.save(tmp_path / "objects.npy", np.array([None], dtype=object))
    with Allowed(PACKAGES, STANDARD).enforced():
        ways: list[Callable[[], Any]] = [
            lambda: pickle.loads(stream),  # noqa: S301
            lambda: pickle.load(path.open("rb")),  # noqa: S301
            lambda: pickle.Unpickler(path.open("rb")).load(),  # noqa: S301
            lambda: pickle.loads(SYSTEM + b"."),  # noqa: S301
            lambda: joblib.load(path),
        ]
        for load in ways:
            with pytest.raises(NotAllowed):
                load()
        assert np.load(tmp_path / "objects.npy", allow_pickle=True)[0] is None
    assert pickle.loads(stream)  # noqa: S301
