"""What goes with an original that is served as it is."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mldeploy.errors import MldeployError
from mldeploy.model.native import answering_modules, imports_of, modules_in, only_python

if TYPE_CHECKING:
    from pathlib import Path

ASK = """
import sys
from pathlib import Path
sys.path.insert(0, "native")
from mldeploy_child.serving import open_original
fields = [{"name": name, "dtype": "float", "missing_is_none": False, "categories": None} for name in "ab"]
answer = open_original(Path("model.joblib"), None, fields)
print(answer({"a": [3.0, -3.0], "b": [0.0, 0.0]})["labels"])
print({"onnx", "onnxruntime", "mldeploy"} & sys.modules.keys())
"""


def test_the_modules_that_answered_are_complete_and_need_no_converter(tmp_path: Path) -> None:
    for name, content in answering_modules().items():
        (tmp_path / "native" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "native" / name).write_bytes(content)
    x = np.random.default_rng(0).normal(size=(40, 2))
    joblib.dump(LogisticRegression().fit(x, x[:, 0] > 0), tmp_path / "model.joblib")
    said = subprocess.check_output([sys.executable, "-I", "-c", ASK], cwd=tmp_path, text=True, timeout=60)
    assert said.splitlines() == ["[True, False]", "set()"]


def test_bytecode_is_served_by_the_python_that_saved_it_or_not_at_all() -> None:
    assert only_python("3.12.4") == ("3.12",)
    with pytest.raises(MldeployError) as caught:
        only_python("3.10.14")
    assert "bytecode of Python 3.10" in caught.value.cause
    assert "--code DIR" in caught.value.remedy


def test_what_the_modules_of_a_folder_import_is_read_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text(
        "import polars.plots as p, os\nfrom . import near\n"
        "def late():\n    from sklearn.base import clone\nraise SystemExit\n"
    )
    (tmp_path / "broken.py").write_text("print 'of another Python'")
    assert imports_of(tmp_path) == {"polars", "os", "sklearn"}


def test_modules_and_whole_packages_of_a_folder_go_along_and_nothing_else(tmp_path: Path) -> None:
    for name in ("steps.py", "words/__init__.py", "words/list.txt", "words/__pycache__/x.pyc", "data/rows.csv", ".env"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert sorted(modules_in(tmp_path)) == ["code/steps.py", "code/words/__init__.py", "code/words/list.txt"]
