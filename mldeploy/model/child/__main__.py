"""The child's end of the conversation: one JSON request a line in, one JSON answer a line out.

Its arguments are how many bytes of memory it may use, and the module here whose Session answers.

Run by path, so that nothing of the package around it needs to exist in this Python.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def _import_package() -> None:
    here = Path(__file__).resolve().parent
    # The folder of a script comes first in sys.path; modules here must not hide the model's own.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    spec = importlib.util.spec_from_file_location(
        "mldeploy_child", here / "__init__.py", submodule_search_locations=[str(here)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(str(here))
    package = importlib.util.module_from_spec(spec)
    sys.modules["mldeploy_child"] = package
    spec.loader.exec_module(package)


def _session() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What answers requests; where a package is lacking it answers each with that."""
    try:
        handle: Callable[[dict[str, Any]], dict[str, Any]]
        handle = importlib.import_module(f"mldeploy_child.{sys.argv[2]}").Session().handle
    except ImportError as failure:
        lacking = {
            "unusable": f"{sys.executable} cannot open models: it lacks {failure.name}",
            "cause": str(failure),
            "remedy": "Install joblib, numpy and onnx there, or name another Python: --python PATH.",
        }
        return lambda _: lacking
    return handle


def main() -> None:
    # What the model's own code prints goes to standard error; the pipe carries answers alone.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # As the server will run: sums in one order, and times of one core.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    _import_package()
    importlib.import_module("mldeploy_child.limits").apply(int(sys.argv[1]))
    handle = _session()
    for line in sys.stdin:
        answers.write(json.dumps(handle(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
