"""The library that runs the graph."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.unit.runtime.bundles import numeric_bundle
from tests.unit.runtime.server import RUNTIME

if TYPE_CHECKING:
    from pathlib import Path

# Telemetry would run in a thread of its own; a run on one thread needs none.
COUNT_THREADS = """
import os, sys
from pathlib import Path
import numpy
before = len(os.listdir("/proc/self/task"))
from mldeploy_runtime.bundle import read_manifest
from mldeploy_runtime.session import open_session
bundle = Path(sys.argv[1])
run = open_session(bundle / "model.onnx", read_manifest(bundle))
run({"x": numpy.zeros((1, 3))})
print(len(os.listdir("/proc/self/task")) - before)
"""


def test_the_library_starts_no_thread_of_its_own(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNT_THREADS, str(numeric_bundle(tmp_path))],
        env={**os.environ, "PYTHONPATH": str(RUNTIME)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")
