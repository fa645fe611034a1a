"""Runs the command line as a person does, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXECUTABLE = str(Path(sys.executable).with_name("mldeploy"))


@dataclass(frozen=True)
class Ended:
    exit_code: int
    stdout: str
    stderr: str

    @property
    def outcome(self) -> Any:
        """What --json printed. A failure is shown with what the command said."""
        assert self.exit_code == 0, self.stderr
        return json.loads(self.stdout)


def mldeploy(folder: Path, *arguments: str, timeout: float = 300) -> Ended:
    """Run `mldeploy ARGUMENTS` in `folder`. A traceback on standard error fails the test, whatever it expects."""
    done = subprocess.run(
        [EXECUTABLE, *arguments], cwd=folder, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `mldeploy ARGUMENTS` in `folder` without waiting for its end.

    It hears Ctrl-C even where the tests themselves run in the background of a shell, which makes them deaf to it.
    On SIGABRT it says what each of its threads is at.
    """
    return subprocess.Popen(
        ["env", "--default-signal=INT", "PYTHONFAULTHANDLER=1", EXECUTABLE, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
