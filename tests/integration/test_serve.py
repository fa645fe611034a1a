"""`mldeploy serve`, run as a person runs it."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.integration.bundles import ROWS, linear_bundle
from tests.integration.command import mldeploy, start

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

READY = "Ctrl-C ends it"


@contextmanager
def served(folder: Path, port: int, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command while it serves, and what it has said so far."""
    process = start(folder, "serve", *arguments, "--port", str(port))
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        assert process.stderr
        said = ""
        for line in process.stderr:
            said += line
            if READY in line:
                break
        yield process, said
    finally:
        watchdog.cancel()
        # Not killed: it ends the server it started, which would else hold our pipe open.
        process.terminate()
        process.communicate()


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def as_curl_would(argv: list[str]) -> Any:
    """Send what `curl -s URL -H HEADER -d BODY` sends; a bare machine has no curl."""
    curl, silent, url, header, content_type, data, body = argv
    assert (curl, silent, header, data) == ("curl", "-s", "-H", "-d")
    name, _, value = content_type.partition(": ")
    return httpx.post(url, content=body, headers={name: value}).raise_for_status().json()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_the_newest_bundle_answers_the_line_that_is_printed_until_it_is_told_to_end(
    tmp_path: Path, port: int, sent: signal.Signals
) -> None:
    linear_bundle(tmp_path / "build")
    with served(tmp_path, port) as (process, said):
        line = re.search(r"curl .*", said)
        assert line, said
        answer = as_curl_would(shlex.split(line[0]))
        assert answer["predictions"] == [{"value": 2 * ROWS[0]["a"] + 3 * ROWS[0]["b"]}]
        process.send_signal(sent)
        assert process.wait(30) == 0
    with socket.create_server(("127.0.0.1", port)):
        """The port is free again."""


def test_a_port_in_use_is_a_clear_error(tmp_path: Path, port: int) -> None:
    linear_bundle(tmp_path / "build")
    with socket.create_server(("127.0.0.1", port)):
        ended = mldeploy(tmp_path, "serve", "--port", str(port))
    assert ended.exit_code == 2
    assert f"port {port} is in use" in ended.stderr


def test_a_bundle_that_does_not_answer_its_golden_rows_is_not_served(tmp_path: Path, port: int) -> None:
    linear_bundle(tmp_path / "build", golden_weight=5.0)
    ended = mldeploy(tmp_path, "serve", "--port", str(port), timeout=90)
    assert ended.exit_code == 1
    assert "golden rows do not match" in ended.stderr


def test_without_a_bundle_the_way_to_one_is_named(tmp_path: Path) -> None:
    ended = mldeploy(tmp_path, "serve")
    assert ended.exit_code == 2
    assert "mldeploy package" in ended.stderr
