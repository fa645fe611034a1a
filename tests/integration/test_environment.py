"""Models saved by other versions than the running ones, opened in environments that are really made.

These need the package index, or what uv keeps of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mldeploy.errors import MldeployError
from mldeploy.installer import find_python, lock, make_environment
from mldeploy.model.environment import Needs, find_environment
from mldeploy.model.process import CHILD
from tests.integration.command import mldeploy

if TYPE_CHECKING:
    from collections.abc import Iterator

TRAIN = """
import sys, joblib, numpy as np, pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
source = np.random.default_rng(0)
rows = pd.DataFrame({"age": source.normal(40, 9, 200), "plan": source.choice(["a", "b", "c"], 200)})
rows.loc[::9, "age"] = np.nan
likes = (rows.age.fillna(40) + 5 * (rows.plan == "a") > 42).astype(int)
numbers = make_pipeline(SimpleImputer(), StandardScaler())
columns = ColumnTransformer([("n", numbers, ["age"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["plan"])])
joblib.dump(make_pipeline(columns, RandomForestClassifier(10, random_state=0)).fit(rows, likes), sys.argv[1])
"""

TRAIN_ARRAY = """
import sys, joblib, numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
rows = np.random.default_rng(0).normal(size=(200, 3))
model = make_pipeline(StandardScaler(), GradientBoostingClassifier(n_estimators=10, random_state=0))
joblib.dump(model.fit(rows, rows[:, 0] * rows[:, 1] > 0.1), sys.argv[1])
"""

TRAIN_TEXT = """
import sys, joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
texts = ["good fine great", "bad poor awful", "great good", "awful bad", "fine service", "poor service"] * 5
likes = [1, 0, 1, 0, 1, 0] * 5
joblib.dump(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, likes), sys.argv[1])
"""


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of our own, so that each environment is made once in these tests."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


def python_with(**versions: str) -> Path:
    """The Python of an environment with these versions; skips where no interpreter is old enough for them."""
    try:
        return find_environment(Needs(frozenset(versions), versions), lambda *_: None)
    except MldeployError as failure:
        if "this machine has no Python" in failure.message:
            pytest.skip(failure.message)
        raise


def trained(script: str, python: Path, folder: Path) -> Path:
    """The model that `script` saves under that Python."""
    path = folder / "model.joblib"
    subprocess.run([python, "-W", "ignore", "-c", script, path], check=True, timeout=120)
    return path


@pytest.mark.parametrize(("version", "script"), [("0.24.2", TRAIN_ARRAY), ("1.2.2", TRAIN), ("1.5.2", TRAIN)])
def test_a_model_of_an_older_scikit_learn_is_packaged_as_that_version_answers(
    version: str, script: str, tmp_path: Path
) -> None:
    trained(script, python_with(sklearn=version), tmp_path)
    outcome = mldeploy(tmp_path, "package", "model.joblib", "--no-image", "--json").outcome
    manifest = json.loads((tmp_path / outcome["bundle"] / "manifest.json").read_text())
    assert manifest["source"]["packages"]["scikit-learn"] == version
    assert manifest["proof"]["label_flips"] == 0
    assert manifest["proof"]["max_error"] < 1e-9


def test_a_model_opens_in_an_environment_of_python_3_9(tmp_path: Path) -> None:
    python = python_with(sklearn="0.24.2")
    assert "3.9" in subprocess.check_output([python, "--version"], text=True)
    model = trained(TRAIN_ARRAY, python, tmp_path)
    mine = mldeploy(tmp_path, "package", model.name, "--no-image", "--json", "--python", str(python))
    own = mldeploy(tmp_path, "package", model.name, "--no-image", "--json")
    assert mine.outcome["bundle_id"] == own.outcome["bundle_id"]


def test_the_child_needs_numpy_and_onnx_alone_from_python_3_9_on(tmp_path: Path) -> None:
    interpreter = find_python("3.9")
    if interpreter is None:
        pytest.skip("this machine has no Python 3.9")
    environment = tmp_path / "environment"
    environment.mkdir()
    make_environment(interpreter, lock(["numpy", "onnx", "protobuf<7"], [], "3.9"), environment)

    request = {"do": "open", "path": "model.joblib", "packages": [], "names": []}
    done = subprocess.run(
        [environment / "bin" / "python", CHILD, str(8 << 30), "session"],
        input=json.dumps(request) + "\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert json.loads(done.stdout)["unusable"] == "joblib is not installed in the model's environment"


def test_an_environment_of_ones_own_with_another_version_is_refused(tmp_path: Path) -> None:
    trained(TRAIN, python_with(sklearn="1.5.2"), tmp_path)
    other = str(python_with(sklearn="1.2.2"))
    refused = mldeploy(tmp_path, "package", "model.joblib", "--no-image", "--python", other)
    assert refused.exit_code == 2
    assert "was saved by scikit-learn 1.5.2" in refused.stderr
    assert "has 1.2.2" in refused.stderr


def test_an_environment_is_found_again_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(TRAIN, python_with(sklearn="1.2.2"), tmp_path)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    assert mldeploy(tmp_path, "package", "model.joblib", "--no-image").exit_code == 0
    (tmp_path / "wanted.txt").write_text("tabulate\n")
    refused = mldeploy(tmp_path, "package", "model.joblib", "--no-image", "--requirements", "wanted.txt")
    assert refused.exit_code == 5
    assert "the package index does not answer" in refused.stderr


def test_two_processes_make_one_environment(cache: Path) -> None:
    code = (
        "from mldeploy.model.environment import Needs, find_environment\n"
        "print(find_environment(Needs(frozenset({'sklearn'}), {'sklearn': '1.5.1'}), lambda *_: None))"
    )

    def ask(_: int) -> str:
        return subprocess.check_output([sys.executable, "-c", code], text=True, timeout=300).strip()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(ask, range(2))
    assert first == second
    assert Path(first).exists()
    assert not list((cache / "mldeploy" / "environments").glob(".*"))


def test_requirements_come_on_top_of_what_the_file_records() -> None:
    needs = Needs(frozenset({"sklearn"}), {"sklearn": "1.9.1"}, "tabulate==0.9.0\n")
    python = find_environment(needs, lambda *_: None)
    subprocess.run([python, "-c", "import tabulate, sklearn; assert sklearn.__version__ == '1.9.1'"], check=True)


def test_requirements_that_contradict_the_file_are_named() -> None:
    with pytest.raises(MldeployError, match=r"scikit-learn 1\.2\.2") as failure:
        find_environment(Needs(frozenset({"sklearn"}), {"sklearn": "1.2.2"}, "scikit-learn==1.3.0\n"), lambda *_: None)
    assert "unsatisfiable" in failure.value.cause
    assert "--python" in failure.value.remedy


def test_a_missing_interpreter_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(TRAIN, python_with(sklearn="0.24.2"), tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "pythons"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_MIRROR", (tmp_path / "no-mirror").as_uri())
    refused = mldeploy(tmp_path, "package", "model.joblib", "--no-image")
    assert refused.exit_code == 1
    assert "this machine has no Python 3.9, which scikit-learn 0.24.2 needs" in refused.stderr
    assert "Install Python 3.9" in refused.stderr


def test_a_text_model_of_1_2_is_not_answered_by_todays_scikit_learn(tmp_path: Path) -> None:
    trained(TRAIN_TEXT, python_with(sklearn="1.2.2"), tmp_path)
    refused = mldeploy(tmp_path, "package", "model.joblib", "--no-image", "--python", sys.executable)
    assert "was saved by scikit-learn 1.2.2" in refused.stderr
