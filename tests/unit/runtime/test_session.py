"""The library that runs the graph."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mldeploy_runtime.bundle import Graph, Manifest, Outputs, Tensor
from mldeploy_runtime.session import open_session
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


def test_a_double_graph_keeps_its_digits(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(3, 2))
    nodes = [helper.make_node("MatMul", ["x", "weights"], ["y"]), helper.make_node("Mul", ["y", "third"], ["value"])]
    constants = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array(1 / 3), "third")]
    x, value = (helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, None]) for name in ("x", "value"))
    graph = helper.make_graph(nodes, "scaled", [x], [value], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    tensors = (Tensor(name="x", dtype="float64", fields=("a", "b", "c")),)
    manifest = Manifest("m", "1", "id", "regressor", (), Outputs(), Graph(tensors=tensors, value="value"))
    rows = np.random.default_rng(1).normal(size=(20, 3))
    [answer] = open_session(path, manifest)({"x": rows})
    np.testing.assert_allclose(answer, rows @ weights / 3, rtol=1e-13)
