"""The onnxruntime session: one thread, no spinning, nothing sent out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mldeploy_runtime.bundle import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mldeploy_runtime.arrays import Array, Feed
    from mldeploy_runtime.bundle import Manifest

TYPES = {
    "float32": "tensor(float)",
    "float64": "tensor(double)",
    "int64": "tensor(int64)",
    "bool": "tensor(bool)",
    "string": "tensor(string)",
}
ERRORS_ONLY = 3
# It makes a scalar beside a matrix product a float32 attribute of it, which takes a double graph's digits away.
ROUNDING = ["MatMulScaleFusion"]


def open_session(model: Path, manifest: Manifest) -> Callable[[Feed], list[Array]]:
    """Load the graph; the answer is a function from input arrays to those of `manifest.graph.outputs`.

    Raises BundleError when onnxruntime cannot load it or it does not have the manifest's inputs and outputs.
    """
    # Read while the library is loaded, when it would look for an identifier of this machine.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"], disabled_optimizers=ROUNDING
        )
    except Exception as failure:  # onnxruntime's own errors share no narrower base
        raise BundleError(f"onnxruntime cannot load {model.name}: {failure}") from failure
    _check_inputs(manifest, {node.name: node.type for node in session.get_inputs()})
    names = manifest.graph.outputs
    missing = set(names) - {node.name for node in session.get_outputs()}
    if missing:
        raise BundleError(f"the graph has no output {min(missing)!r}")

    def run(feed: Feed) -> list[Array]:
        outputs: list[Array] = session.run(names, feed)
        return outputs

    return run


def _check_inputs(manifest: Manifest, found: dict[str, str]) -> None:
    expected = {tensor.name: TYPES[tensor.dtype] for tensor in manifest.graph.tensors}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise BundleError(
                f"input {name!r} is {found.get(name, 'absent')} in the graph"
                f" and {expected.get(name, 'absent')} in the manifest"
            )
