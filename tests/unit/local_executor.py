"""An executor for tests that runs the host's commands on this machine, for real."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

from mldeploy.host.executor import CommandError, Result, reveal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldeploy.host.executor import Secret, Text


class LocalExecutor:
    name = "here"

    def run(
        self, argv: Sequence[str | Secret], *, stdin: Text = "", deadline: float = 30, check: bool = True
    ) -> Result:
        done = subprocess.run(
            [reveal(argument) for argument in argv],
            input=reveal(stdin),
            capture_output=True,
            text=True,
            timeout=deadline,
            check=False,
        )
        result = Result(done.stdout.rstrip(), done.stderr.rstrip(), done.returncode)
        if check and done.returncode != 0:
            raise CommandError(self.name, list(argv), result)
        return result

    def open(self, argv: Sequence[str | Secret]) -> socket.socket:
        """The command's standard streams as one socket, so that closing it ends the command's input."""
        ours, theirs = socket.socketpair()
        with theirs:
            subprocess.Popen([reveal(argument) for argument in argv], stdin=theirs.fileno(), stdout=theirs.fileno())
        return ours
