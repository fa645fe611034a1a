"""What the host asks of a running container through its control socket."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.unit.runtime.bundles import numeric_bundle
from tests.unit.runtime.server import RUNTIME, Server, free_port, started

if TYPE_CHECKING:
    from pathlib import Path


def test_status_names_the_release_and_what_it_has_in_hand(numeric: Server) -> None:
    code, answer = numeric.control("status")
    assert code == 0
    assert answer.keys() == {
        "name", "version", "release", "bundle_id", "ready", "reason", "degraded", "in_rotation", "in_flight",
        "requests", "predictions_lost", "workers",
    }  # fmt: skip
    assert (answer["release"], answer["ready"], answer["in_rotation"], answer["in_flight"]) == ("r3", True, True, 0)


def test_golden_rows_are_answered_again_in_the_serving_process(numeric: Server) -> None:
    code, answer = numeric.control("golden")
    assert (code, answer["rows"], answer["mismatches"], answer["tolerance"]) == (0, 2, 0, 1e-5)
    assert answer["max_error"] <= 1e-12


def test_the_socket_is_for_its_owner_alone(numeric: Server) -> None:
    assert stat.S_IMODE(numeric.control_socket.stat().st_mode) == 0o600


def test_without_a_server_the_client_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mldeploy_runtime.control", "--control", str(tmp_path / "none"), "status"]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(RUNTIME)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "No such file" in json.loads(done.stdout)["reason"]


def test_a_line_that_is_no_command_leaves_the_server_well(numeric: Server) -> None:
    import socket

    for line in (b"\n", b"{}\n", b'{"command": "stop"}\n', b"[1]\n", b'{"command": "drain"}\n'):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(numeric.control_socket))
            connection.sendall(line)
            assert connection.recv(100) == b""
    assert numeric.control("status")[0] == 0


def test_drain_waits_for_the_rotation_and_for_what_is_in_flight(tmp_path: Path) -> None:
    (tmp_path / "rotation").mkdir()
    member = tmp_path / "rotation" / "r3"
    member.touch()
    with started(numeric_bundle(tmp_path), tmp_path, MLDEPLOY_ROTATION=str(member.parent)) as server:
        serving = server.control("drain", "--settle", "0", "--timeout", "0.1")
        member.unlink()
        settled = server.control("drain", "--settle", "0.1", "--timeout", "10")
        impatient = server.control("drain", "--settle", "10", "--timeout", "0.1")
    assert serving == (1, {"drained": False, "in_flight": 0})
    assert settled == (0, {"drained": True, "in_flight": 0})
    assert impatient == (1, {"drained": False, "in_flight": 0})


def test_seen_tells_its_own_release_from_another(numeric: Server, tmp_path: Path) -> None:
    with started(numeric_bundle(tmp_path), tmp_path, release="r9") as other:
        itself = numeric.control("seen", f"http://127.0.0.1:{numeric.port}", "--timeout", "10")
        another = numeric.control("seen", f"http://127.0.0.1:{other.port}", "--timeout", "0.2")
        nobody = numeric.control("seen", f"http://127.0.0.1:{free_port()}/", "--timeout", "0.2")
    assert itself == (0, {"seen": True, "attempts": 1})
    assert (another[0], another[1]["seen"]) == (1, False)
    assert (nobody[0], nobody[1]["seen"]) == (1, False)
