"""Real bundles: a small one, value = weight x a + 3 b, and those of the example."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from mldeploy.bundle import (
    Bundle,
    Contents,
    Golden,
    Graph,
    Input,
    Outputs,
    Precision,
    Proof,
    Source,
    Tensor,
    write_bundle,
)
from tests.integration.command import mldeploy

ROWS = [{"a": 1.0, "b": 2.0}, {"a": 0.5, "b": -1.0}, {"a": 0.0, "b": 0.0}]


def linear_bundle(into: Path, *, name: str = "line", weight: float = 2.0, golden_weight: float | None = None) -> Bundle:
    """Write a bundle into `into`; its golden rows are wrong when `golden_weight` differs from `weight`."""
    expected = weight if golden_weight is None else golden_weight
    answers = [{"value": expected * row["a"] + 3 * row["b"]} for row in ROWS]
    contents = Contents(
        name=name,
        version=None,
        task="regressor",
        inputs=(
            Input(name="a", dtype="float", nullable=False, minimum=0, maximum=1),
            Input(name="b", dtype="float", nullable=False, minimum=-1, maximum=2),
        ),
        outputs=Outputs(),
        graph=Graph(tensors=(Tensor(name="x", dtype="float64", fields=("a", "b")),), value="y"),
        threshold=None,
        source=Source(file="line.joblib", sha256="0" * 64, python="3.13.0", packages={}),
        precision=Precision(dtype="float64", reason="the graph computes in it"),
        proof=Proof(
            tolerance=1e-5, rows=3, label_flips=0, rows_over_tolerance=0, max_error=0, p99_error=0, onnxruntime="1.31.1"
        ),
        metadata={},
        model=_graph(weight),
        golden=Golden(list(ROWS), answers, 1e-5),
        baseline={"schema": 1, "rows": 3, "fields": {}},
    )
    return write_bundle(contents, into, {"report.json": "{}"})


def penguin_bundles(folder: Path) -> dict[str, Path]:
    """Two versions of the example's model, packaged by the command: their bundles by version."""
    train = [sys.executable, "-m", "examples.penguins.train", "--out", str(folder)]
    subprocess.run(train, cwd=Path(__file__).parents[2], check=True, timeout=300)
    packaged = {}
    for model in sorted(folder.glob("*.joblib")):
        arguments = ("package", model.name, "--sample", "penguins.parquet", "--no-image", "--json")
        outcome = mldeploy(folder, *arguments).outcome
        packaged[outcome["version"]] = folder / outcome["bundle"]
    return packaged


def _graph(weight: float) -> bytes:
    weights = numpy_helper.from_array(np.array([[weight], [3.0]]), "weights")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["y"])],
        "line",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [None, 1])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    return bytes(model.SerializeToString())
