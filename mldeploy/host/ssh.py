"""The executor that reaches a host over SSH. Host keys are checked strictly: an unknown or changed key stops."""

from __future__ import annotations

import math
import shlex
import socket
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import paramiko
from fabric import Config as FabricConfig
from fabric import Connection

from mldeploy import console, interrupts
from mldeploy.errors import MldeployError, UnreachableError, UsageError
from mldeploy.host.executor import CommandError, Result, reveal
from mldeploy.host.names import is_named, read_aliases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mldeploy.config import Config, HostConfig
    from mldeploy.host.executor import Secret, Text

CONNECT_SECONDS = 10
CONNECT_TRIES = 3
CONNECT_PAUSE_SECONDS = 1
LOOPBACK = "127.0.0.1"
KEEPALIVE_SECONDS = 5
GRACE_SECONDS = 5
"""What an interrupted command may take to its end."""
TURN_SECONDS = 0.1

Received = TypeVar("Received")


class ForwardingRefusedError(MldeployError):
    """The host's sshd forwards no ports to us."""


class UnknownKeyError(paramiko.SSHException):
    """The host's key is in no known_hosts, and nobody vouches for it."""

    def __init__(self, key: paramiko.PKey) -> None:
        super().__init__(f"its key {_fingerprint(key)} is not in known_hosts")


class FirstContact(paramiko.MissingHostKeyPolicy):
    """A key seen for the first time is taken when its fingerprint was given, or when a person says so."""

    def __init__(self, known_hosts: Path, fingerprint: str | None) -> None:
        self._known_hosts = known_hosts
        self._fingerprint = fingerprint

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002
        if self._fingerprint is None:
            known = console.agrees(f"{hostname} is new here; its key is {_fingerprint(key)}. Is that right?")
        else:
            known = key.fingerprint == self._fingerprint
        if not known:
            raise UnknownKeyError(key)
        self._known_hosts.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._known_hosts.open("a", encoding="ascii") as file:
            file.write(f"{hostname} {key.get_name()} {key.get_base64()}\n")


class SshStream:
    """A command's channel, as a Stream that also tells standard error and the exit code.

    Ctrl-C strikes between the calls and while they wait, never within paramiko: an exception there leaves locks
    taken that all else on the connection, the undoing above all, would wait for without end.
    """

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._seconds: float | None = CONNECT_SECONDS

    def settimeout(self, seconds: float | None) -> None:
        self._seconds = seconds

    def sendall(self, data: bytes) -> None:
        with interrupts.deferred():
            self._channel.settimeout(self._seconds)
            self._channel.sendall(data)

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
            write(stream.sendall)
            stream.shutdown_write()
            stdout = _read_all(stream, stream.recv, until)
            stderr = _read_all(stream, stream.recv_stderr, until)
            stream.settimeout(max(until - time.monotonic(), 0))
            exit_code = stream.exit_code()
        except KeyboardInterrupt:
            # Else it might end after what is done to undo it.
            stream.wait_for_end(GRACE_SECONDS)
            raise
        except (TimeoutError, OSError, paramiko.SSHException, EOFError) as failure:
            raise UnreachableError(
                f"{self.name} did not finish a command within {deadline:.0f} s",
                cause=f"{shlex.join(str(argument) for argument in argv)[:300]}: {failure or 'no answer'}",
                remedy=f"Look at the machine with `ssh {self.name}`, then run the same command again.",
            ) from failure
        finally:
            stream.close()
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
                channel = self._connection.transport.open_session(timeout=CONNECT_SECONDS)
                channel.settimeout(CONNECT_SECONDS)
                channel.exec_command(command)
        except (OSError, paramiko.SSHException, EOFError) as failure:
            raise UnreachableError(
                f"the connection to {self.name} is lost",
                cause=str(failure) or type(failure).__name__,
                remedy="Run the same command again: it continues from what the host's ledger says.",
            ) from failure
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

    def _require_sudo(self) -> None:
        result = self.run(["true"], check=False)
        if result.exit_code != 0:
            raise UsageError(
                f"the user on {self.name} is not root and may not use sudo without a password",
                cause=result.stderr or "sudo refused",
                remedy="Connect as root, or allow it: `echo 'USER ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/mldeploy`.",
            )


@contextmanager
def connect(name: str, config: Config) -> Iterator[SshExecutor]:
    """Connect to host `name`: a host of mldeploy.toml, or simply an alias of the SSH configuration file.

    Raises UnreachableError when it does not resolve, does not answer, is not known by its key, or refuses ours.
    """
    host = config.hosts.get(name)
    aliases = read_aliases(config)
    if not is_named(name, config) and not _resolves(name):
        raise UnreachableError(
            f"there is no host {name!r}",
            cause=f"it is neither in mldeploy.toml nor in {config.ssh_config}, and its name does not resolve",
            remedy=f"Add a table [hosts.{name}] with an address to mldeploy.toml, or a Host entry to the SSH file.",
        )
    connection = _connection(name, host, aliases)
    try:
        _open(name, connection)
        yield SshExecutor(name, connection)
    finally:
        with interrupts.deferred():
            connection.close()


def _connection(name: str, host: HostConfig | None, aliases: paramiko.SSHConfig) -> Connection:
    connection = Connection(
        (host and host.address) or name,
        user=host and host.user,
        port=host and host.port,
        config=FabricConfig(ssh_config=aliases),
        connect_timeout=CONNECT_SECONDS,
        connect_kwargs=(
            {"key_filename": str(host.identity_file), "look_for_keys": False} if host and host.identity_file else {}
        ),
    )
    _check_keys(connection, _known_hosts(name, host, aliases), host.fingerprint if host else None)
    gateway = connection.gateway
    while isinstance(gateway, Connection):
        _check_keys(gateway, _known_hosts(gateway.original_host, None, aliases), None)
        gateway = gateway.gateway
    return connection


def _check_keys(connection: Connection, known_hosts: list[Path], fingerprint: str | None) -> None:
    for path in known_hosts:
        if path.exists():
            connection.client.load_system_host_keys(str(path))
    connection.client.set_missing_host_key_policy(FirstContact(known_hosts[0], fingerprint))


def _known_hosts(name: str, host: HostConfig | None, aliases: paramiko.SSHConfig) -> list[Path]:
    if host and host.known_hosts:
        return [host.known_hosts]
    named = aliases.lookup((host and host.address) or name).get("userknownhostsfile", "~/.ssh/known_hosts")
    return [Path(path).expanduser() for path in [*shlex.split(str(named)), "/etc/ssh/ssh_known_hosts"]]


def _open(name: str, connection: Connection) -> None:
    where = f"{connection.user}@{connection.host}:{connection.port}"
    try:
        _try_to_open(connection)
    except paramiko.BadHostKeyException as failure:
        raise UnreachableError(
            f"the host key of {name} has changed",
            cause=f"expected {_fingerprint(failure.expected_key)}, got {_fingerprint(failure.key)}",
            remedy="If the machine was rebuilt, remove its old line from known_hosts; if not, somebody is in between.",
        ) from failure
    except paramiko.AuthenticationException as failure:
        raise UnreachableError(
            f"{name} refuses our key",
            cause=f"{where}: {failure}",
            remedy="Check user and identity_file of the host, and that the public key is in its authorized_keys.",
        ) from failure
    except socket.gaierror as failure:
        raise UnreachableError(
            f"the address of {name} does not resolve",
            cause=f"{connection.host}: {failure.strerror}",
            remedy="Check the host's address in mldeploy.toml or in the SSH configuration file.",
        ) from failure
    except UnknownKeyError as failure:
        raise UnreachableError(
            f"{name} is not known yet, or is not who you said",
            cause=f"{where}: {failure}",
            remedy="Compare that with what the provider's console shows (`ssh-keygen -lf "
            "/etc/ssh/ssh_host_ed25519_key.pub` there), then give it: --fingerprint, or `fingerprint` of the host.",
        ) from failure
    except (paramiko.SSHException, OSError, EOFError) as failure:
        raise UnreachableError(
            f"{name} does not answer",
            cause=f"{where}: {failure or type(failure).__name__}",
            remedy="Check that the machine is on, and that its address and port are right.",
        ) from failure
    transport = connection.transport
    if transport is None:
        raise MldeployError(f"the connection to {name} closed at once", cause=where)
    transport.set_keepalive(KEEPALIVE_SECONDS)


def _try_to_open(connection: Connection) -> None:
    """Once more where a connection did not come about: nothing was asked of the host yet."""
    for left in reversed(range(CONNECT_TRIES)):
        try:
            connection.open()
        except (paramiko.BadHostKeyException, paramiko.AuthenticationException, UnknownKeyError, socket.gaierror):
            raise
        except (paramiko.SSHException, OSError, EOFError):
            if not left:
                raise
            connection.close()
            time.sleep(CONNECT_PAUSE_SECONDS)
        else:
            return


def _resolves(name: str) -> bool:
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return False
    return True


def _fingerprint(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.fingerprint}"


def _read_all(stream: SshStream, receive: Callable[[int], bytes], until: float) -> str:
    chunks: list[bytes] = []
    while True:
        stream.settimeout(max(until - time.monotonic(), 0.001))
        chunk = receive(65536)
        if not chunk:
            return b"".join(chunks).decode(errors="replace")
        chunks.append(chunk)
