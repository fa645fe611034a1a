"""What runs a command on a host, and the masked type that carries secrets to it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mldeploy.errors import MldeployError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Secret:
    """A value that shows as `***` wherever it is printed. Only `reveal`, called by executors, gives it."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __str__(self) -> str:
        return "***"

    __repr__ = __str__


def reveal(argument: str | Secret) -> str:
    """The plain value of an argument; for executors alone."""
    return argument._value if isinstance(argument, Secret) else argument


Text = str | Secret
Argv = list[Text]


@dataclass(frozen=True)
class Result:
    """What a command printed and returned. `stdout` is stripped of trailing white space."""

    stdout: str
    stderr: str
    exit_code: int


class CommandError(MldeployError):
    """A command on a host failed, and nobody said that it may."""

    def __init__(self, host: str, argv: Argv, result: Result) -> None:
        super().__init__(
            f"a command failed on {host} (exit code {result.exit_code})",
            cause=(result.stderr or result.stdout).strip()[-2000:] or "it printed nothing",
            remedy=f"Try it on the host by hand: {shlex.join(str(argument) for argument in argv)[:500]}",
        )
        self.result = result


class Stream(Protocol):
    """Both ends of a command that lives on beside others; closing it ends the command's input."""

    def sendall(self, data: bytes, /) -> object: ...
    def recv(self, size: int, /) -> bytes: ...
    def settimeout(self, seconds: float | None, /) -> object: ...
    def close(self) -> object: ...


class Executor(Protocol):
    """Runs commands on one host, with the rights of root."""

    @property
    def name(self) -> str:
        """The host's name, as people wrote it."""
        ...

    def run(
        self, argv: Sequence[str | Secret], *, stdin: Text = "", deadline: float = 30, check: bool = True
    ) -> Result:
        """Run `argv` with `stdin` on its standard input, for at most `deadline` seconds.

        Raises CommandError when it fails and `check` is set, UnreachableError when the host does not
        answer in time.
        """
        ...

    def open(self, argv: Sequence[str | Secret]) -> Stream:
        """Start a command that lives on beside others."""
        ...
