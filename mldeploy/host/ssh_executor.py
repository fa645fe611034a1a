"""Commands on a host over one SSH connection."""

from __future__ import annotations

import math
import shlex
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import paramiko

from mldeploy import interrupts
from mldeploy.errors import MldeployError, UnreachableError, UsageError
from mldeploy.host.executor import CommandError, Result, reveal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fabric import Connection

    from mldeploy.host.executor import Secret, Text

OPEN_SECONDS = 10
LOOPBACK = "127.0.0.1"
GRACE_SECONDS = 5
"""What an interrupted command may take to its end."""
TURN_SECONDS = 0.1
NO_EXIT_CODE = -1
"""What paramiko gives when a command's channel closed without one: a signal ended it, or the connection broke."""

Received = TypeVar("Received")


class ForwardingRefusedError(MldeployError):
    """The host's sshd forwards no ports to us."""


class SshStream:
    """A command's channel, as a Stream that also tells standard error and the exit code.

    Ctrl-C strikes between the calls and while they wait, never within paramiko: an exception there leaves locks
    taken that all else on the connection, the undoing above all, would wait for without end.
    """

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._seconds: float | None = OPEN_SECONDS

    def settimeout(self, seconds: float | None) -> None:
        self._seconds = seconds

    def sendall(self, data: bytes) -> None:
        with interrupts.deferred():
            self._channel.settimeout(self._seconds)
            try:
                self._channel.sendall(data)
            except (EOFError, paramiko.SSHException) as failure:
                raise ConnectionError(str(failure) or "the connection is lost") from failure

    def shutdown_write(self) -> None:
        with interrupts.deferred():
            self._channel.shutdown_write()

    def recv(self, size: int) -> bytes:
        return self._wait(lambda: self._channel.recv(size))

    def recv_stderr(self, size: int) -> bytes:
        return self._wait(lambda: self._channel.recv_stderr(size))

    def exit_code(self) -> int:
        def await_status() -> int:
            if not self._channel.status_event.wait(self._channel.gettimeout()):
                raise TimeoutError
            return self._channel.recv_exit_status()

        return self._wait(await_status)

    def wait_for_end(self, seconds: float) -> None:
        """Let the command come to its end for so long, with no more input."""
        with suppress(OSError, EOFError, paramiko.SSHException):
            self.shutdown_write()
            self.settimeout(seconds)
            self.exit_code()

    def close(self) -> None:
        with interrupts.deferred():
            self._channel.close()

    def _wait(self, receive: Callable[[], Received]) -> Received:
        """What `receive` gives within the time that is set, in turns so short that Ctrl-C seems to strike at once."""
        until = math.inf if self._seconds is None else time.monotonic() + self._seconds
        while True:
            with interrupts.deferred():
                self._channel.settimeout(max(min(until - time.monotonic(), TURN_SECONDS), 0.001))
                try:
                    return receive()
                except TimeoutError:
                    if time.monotonic() >= until:
                        raise


class SshExecutor:
    """Runs commands over one SSH connection; for a user other than root, through `sudo -n`."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self._connection = connection
        self._prefix: list[str] = []
        if self.run(["id", "-u"]).stdout != "0":
            self._prefix = ["sudo", "-n", "--"]
            self._require_sudo()

    def run(
        self, argv: Sequence[str | Secret], *, stdin: Text = "", deadline: float = 30, check: bool = True
    ) -> Result:
        return self.feed(argv, lambda send: send(reveal(stdin).encode()), deadline=deadline, check=check)

    def feed(
        self,
        argv: Sequence[str | Secret],
        write: Callable[[Callable[[bytes], object]], object],
        *,
        deadline: float,
        check: bool = True,
    ) -> Result:
        """Run `argv` as `run` does, with what `write` sends as its standard input."""
        until = time.monotonic() + deadline
        stream = self.open(argv)
        try:
            self._send(stream, write)
            stdout = _read_all(stream, stream.recv, until)
            stderr = _read_all(stream, stream.recv_stderr, until)
            stream.settimeout(max(until - time.monotonic(), 0))
            exit_code = stream.exit_code()
        except KeyboardInterrupt:
            # Else it might end after what is done to undo it.
            stream.wait_for_end(GRACE_SECONDS)
            raise
        except TimeoutError as failure:
            raise UnreachableError(
                f"{self.name} did not finish a command within {deadline:.0f} s",
                cause=f"{shlex.join(str(argument) for argument in argv)[:300]}: {failure or 'no answer'}",
                remedy=f"Look at the machine with `ssh {self.name}`, then run the same command again.",
            ) from failure
        except (OSError, paramiko.SSHException, EOFError) as failure:
            raise self._lost(failure) from failure
        finally:
            stream.close()
        if exit_code == NO_EXIT_CODE:
            self._require_connection()
        result = Result(stdout.rstrip(), stderr.rstrip(), exit_code)
        if check and exit_code != 0:
            raise CommandError(self.name, list(argv), result)
        return result

    def open(self, argv: Sequence[str | Secret]) -> SshStream:
        """Start `argv` and return its stream, for a command that lives on beside others."""
        command = shlex.join([*self._prefix, *(reveal(argument) for argument in argv)])
        try:
            with interrupts.deferred():
                # Not fabric's own session: that reconnects in silence, and waits for an hour.
                channel = self._connection.transport.open_session(timeout=OPEN_SECONDS)
                channel.settimeout(OPEN_SECONDS)
                channel.exec_command(command)
        except (OSError, paramiko.SSHException, EOFError) as failure:
            raise self._lost(failure) from failure
        return SshStream(channel)

    @contextmanager
    def forwarded(self, serve: Callable[[Any, tuple[str, int]], object]) -> Iterator[int]:
        """Hand each connection that the host makes to a port of its loopback to `serve`, as a socket; gives the port.

        Raises ForwardingRefusedError when the host's sshd does not allow it.
        """
        transport = self._connection.transport
        try:
            with interrupts.deferred():
                port = transport.request_port_forward(LOOPBACK, 0, lambda channel, origin, _: serve(channel, origin))
        except paramiko.SSHException as failure:
            if not transport.is_active():
                raise self._lost(failure) from failure
            raise ForwardingRefusedError(
                f"{self.name} forwards no ports",
                cause=str(failure),
                remedy="Allow it in the host's sshd_config: AllowTcpForwarding yes.",
            ) from failure
        try:
            yield port
        finally:
            with interrupts.deferred():
                transport.cancel_port_forward(LOOPBACK, port)

    def _send(self, stream: SshStream, write: Callable[[Callable[[bytes], object]], object]) -> None:
        try:
            write(stream.sendall)
            stream.shutdown_write()
        except TimeoutError:
            raise
        except OSError:
            # A command that ended before it read all says why by its exit code.
            self._require_connection()

    def _require_connection(self) -> None:
        """Raise UnreachableError where the connection broke, and not the command alone."""
        transport = self._connection.transport
        # paramiko ends the channels of a lost connection before it says that it is lost.
        with interrupts.deferred():
            transport.join(1)
        if not transport.is_active():
            raise self._lost()

    def _lost(self, failure: Exception | None = None) -> UnreachableError:
        # What ended the connection says more than what that led to.
        reason = self._connection.transport.saved_exception or failure
        return UnreachableError(
            f"the connection to {self.name} is lost",
            cause=str(reason or "") or "it was closed",
            remedy="Run the same command again: it continues from what the host's ledger says.",
        )

    def _require_sudo(self) -> None:
        result = self.run(["true"], check=False)
        if result.exit_code != 0:
            raise UsageError(
                f"the user on {self.name} is not root and may not use sudo without a password",
                cause=result.stderr or "sudo refused",
                remedy="Connect as root, or allow it: `echo 'USER ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/mldeploy`.",
            )


def _read_all(stream: SshStream, receive: Callable[[int], bytes], until: float) -> str:
    chunks: list[bytes] = []
    while True:
        stream.settimeout(max(until - time.monotonic(), 0.001))
        chunk = receive(65536)
        if not chunk:
            return b"".join(chunks).decode(errors="replace")
        chunks.append(chunk)
