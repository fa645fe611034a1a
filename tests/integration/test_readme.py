"""The first model of README.md, by its own words: trained, packaged, served, and asked."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.integration.command import mldeploy
from tests.integration.test_serve import served

if TYPE_CHECKING:
    from collections.abc import Sequence

README = (Path(__file__).parents[2] / "README.md").read_text()


def found(pattern: str) -> Sequence[str]:
    """What README.md has of it, one at least."""
    matches = re.findall(pattern, README, re.MULTILINE | re.DOTALL)
    assert matches
    return matches


def test_the_first_model_answers_the_requests_that_are_shown(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(found(r"^```python\n(.*?)^```$")[0])
    subprocess.run([sys.executable, "train.py"], cwd=tmp_path, check=True)
    package = shlex.split(found(r"^\$ mldeploy (package \S+ --sample \S+)")[0])
    ended = mldeploy(tmp_path, *package, "--no-image")
    assert ended.exit_code == 0, ended.stderr
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    bodies = found(r"-d '([^']+)'")
    with served(tmp_path, port):
        answers = [httpx.post(f"http://127.0.0.1:{port}/predict", json=json.loads(body)) for body in bodies]
    assert [answer.status_code for answer in answers] == [200] * len(bodies), answers[0].text
    assert answers[0].json()["predictions"][0]["label"] == "setosa"
