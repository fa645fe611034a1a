"""KServe's own client, which has too many dependencies to live beside ours, in an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.unit.runtime.bundles import Row, mixed_bundle, mixed_probability
from tests.unit.runtime.keyfile import key_of, stored, write_keys
from tests.unit.runtime.server import started

KSERVE = "kserve==0.21.0"
CLIENT = Path(__file__).with_name("kserve_client.py")
ROWS: list[Row] = [
    {"age": 42.0, "plan": "pro", "member": True},
    {"age": None, "plan": "gold", "member": False},
    {"age": 20.0, "plan": "free", "member": False},
]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with KServe."""
    folder = tmp_path_factory.mktemp("kserve") / "env"
    uv = find_uv_bin()
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(folder)], check=True)
    found = folder / "bin" / "python"
    subprocess.run([uv, "pip", "install", "-q", "--python", str(found), KSERVE], check=True)
    return found


def test_kserves_client_is_answered_in_json_and_with_binary_tensors(python: Path, tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.json", stored("aaaaaaaa"))
    with started(mixed_bundle(tmp_path), tmp_path, MLDEPLOY_KEYS=str(keys)) as server:
        command = [str(python), str(CLIENT), f"http://127.0.0.1:{server.port}", "mixed", key_of("aaaaaaaa")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    expected = [mixed_probability(row) for row in ROWS]
    assert (found["live"], found["ready"]) == (True, True)
    assert found["json"] == pytest.approx(expected, abs=1e-7)
    assert found["binary"] == pytest.approx(expected, abs=1e-7)
    assert "No key came., '401 Unauthorized'" in found["refused"]
