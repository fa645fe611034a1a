"""The servers that are measured: how each is installed, started and asked, and how its answer reads."""

from __future__ import annotations

import json
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.models import Made

HERE = Path(__file__).parent
SKLEARN = ("scikit-learn==1.9.1", "joblib", "pandas")
ONNX = ("onnxruntime==1.31.1", "numpy")

Row = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """One way to serve. `packages` are what `lock` was made from; it is installed into an environment of its own.

    `command` gives the argv from the environment's folder of programs, the port, the model, and a scratch
    folder; `setting` names what was set for production and on one core.
    """

    name: str
    lock: Path
    packages: tuple[str, ...]
    setting: str
    command: Callable[[Path, int, Made, Path], list[str]]
    path: str
    body: Callable[[Row], Any]
    probabilities: Callable[[Any], list[float]]


def _lock(name: str) -> Path:
    return HERE / "locks" / f"{name}.txt"


def _of_runtime() -> tuple[str, ...]:
    project = tomllib.loads((HERE.parents[1] / "runtime" / "pyproject.toml").read_text())
    return tuple(project["project"]["dependencies"])


def _plain(row: Row) -> Any:
    return row


def _listed(answer: Any) -> list[float]:
    return [float(value) for value in answer["probabilities"]]


def _ours(programs: Path, port: int, made: Made, scratch: Path) -> list[str]:  # noqa: ARG001 - one signature for all
    return [str(programs / "python"), "-m", "mldeploy_runtime", "--bundle", str(made.bundle.path),
            "--host", "127.0.0.1", "--port", str(port), "--control", ""]  # fmt: skip


def _uvicorn(module: str) -> Callable[[Path, int, Made, Path], list[str]]:
    def command(programs: Path, port: int, made: Made, scratch: Path) -> list[str]:  # noqa: ARG001
        return [str(programs / "uvicorn"), f"bench.peers.{module}:app", "--port", str(port), "--no-access-log",
                "--workers", "1"]  # fmt: skip

    return command


def _bentoml(module: str) -> Callable[[Path, int, Made, Path], list[str]]:
    def command(programs: Path, port: int, made: Made, scratch: Path) -> list[str]:  # noqa: ARG001
        return [str(programs / "bentoml"), "serve", f"bench.peers.{module}:Service", "--port", str(port),
                "--host", "127.0.0.1"]  # fmt: skip

    return command


def _litserve(programs: Path, port: int, made: Made, scratch: Path) -> list[str]:  # noqa: ARG001
    return [str(programs / "python"), str(HERE / "litserve_joblib.py"), str(port)]


def _mlserver(programs: Path, port: int, made: Made, scratch: Path) -> list[str]:
    """Two settings files, as its documentation shows; the ports it opens beside HTTP must be free ones.

    A pool of worker processes, its default, costs more than it gives on one core; with uvloop 0.22 or later, which is
    what an installer takes, it does not start at all.
    """
    settings = {"http_port": port, "grpc_port": port + 1, "metrics_port": port + 2, "host": "127.0.0.1"}
    settings |= {"debug": False, "parallel_workers": 0}
    model = {
        "name": "model",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "max_batch_size": 64,
        "max_batch_time": 0.001,
        "parameters": {"uri": str(made.model), "content_type": "pd"},
    }
    (scratch / "settings.json").write_text(json.dumps(settings))
    (scratch / "model-settings.json").write_text(json.dumps(model))
    return [str(programs / "mlserver"), "start", str(scratch)]


def _v2_body(row: Row) -> Any:
    inputs = [
        {"name": name, "shape": [1, 1], "datatype": "BYTES" if isinstance(value, str) else "FP64", "data": [value]}
        | ({"parameters": {"content_type": "str"}} if isinstance(value, str) else {})
        for name, value in row.items()
    ]
    return {"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": [{"name": "predict_proba"}]}


def _mlflow(programs: Path, port: int, made: Made, scratch: Path) -> list[str]:
    saved = scratch / "model"
    if not saved.exists():
        save = [str(programs / "python"), str(HERE / "save_for_mlflow.py"), str(made.model), str(saved)]
        subprocess.run(save, check=True, capture_output=True)
    return [str(programs / "mlflow"), "models", "serve", "-m", str(saved), "--env-manager", "local",
            "--port", str(port), "--host", "127.0.0.1", "--workers", "1"]  # fmt: skip


OURS = Server(
    "mldeploy",
    _lock("mldeploy"),
    _of_runtime(),
    "its defaults, keys off",
    _ours,
    "/predict",
    lambda row: {"instances": [row]},
    lambda answer: [float(value) for value in answer["predictions"][0]["probabilities"].values()],
)

PEERS = (
    Server(
        "FastAPI + joblib",
        _lock("fastapi-joblib"),
        (*SKLEARN, "fastapi", "uvicorn[standard]"),
        "uvicorn with uvloop and httptools, one worker",
        _uvicorn("fastapi_joblib"),
        "/predict",
        _plain,
        _listed,
    ),
    Server(
        "FastAPI + onnxruntime",
        _lock("fastapi-onnx"),
        (*ONNX, "fastapi", "uvicorn[standard]"),
        "the same, the ONNX graph of our bundle in an async endpoint",
        _uvicorn("fastapi_onnx"),
        "/predict",
        _plain,
        _listed,
    ),
    Server(
        "BentoML + joblib",
        _lock("bentoml-joblib"),
        (*SKLEARN, "bentoml"),
        "`bentoml serve`, workers=1, adaptive batching",
        _bentoml("bentoml_joblib"),
        "/predict",
        lambda row: {"rows": [row]},
        lambda answer: _listed(answer[0]),
    ),
    Server(
        "BentoML + onnxruntime",
        _lock("bentoml-onnx"),
        (*ONNX, "bentoml"),
        "`bentoml serve`, workers=1, the ONNX graph of our bundle in an async endpoint",
        _bentoml("bentoml_onnx"),
        "/predict",
        lambda row: {"row": row},
        _listed,
    ),
    Server(
        "MLServer",
        _lock("mlserver"),
        ("scikit-learn==1.9.1", "pandas", "mlserver", "mlserver-sklearn"),
        "`mlserver start`, its sklearn runtime in the server's process (parallel_workers=0), debug=false, adaptive"
        " batching (64, 1 ms)",
        _mlserver,
        "/v2/models/model/infer",
        _v2_body,
        lambda answer: [float(value) for value in answer["outputs"][0]["data"]],
    ),
    Server(
        "LitServe",
        _lock("litserve"),
        (*SKLEARN, "litserve"),
        "workers_per_device=1 on the CPU, batching (64, 1 ms)",
        _litserve,
        "/predict",
        _plain,
        _listed,
    ),
    Server(
        "MLflow",
        _lock("mlflow"),
        (*SKLEARN, "mlflow"),
        "`mlflow models serve`, one worker",
        _mlflow,
        "/invocations",
        lambda row: {"dataframe_records": [row]},
        lambda answer: [float(value) for value in answer["predictions"][0]],
    ),
)
