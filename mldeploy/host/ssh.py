"""How a host is reached over SSH. Host keys are checked strictly: an unknown or changed key stops."""

from __future__ import annotations

import shlex
import socket
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko
from fabric import Config as FabricConfig
from fabric import Connection

from mldeploy import console, interrupts
from mldeploy.errors import MldeployError, UnreachableError, UsageError
from mldeploy.host.names import is_named, read_aliases
from mldeploy.host.ssh_executor import SshExecutor
from mldeploy.host.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.config import Config, HostConfig

CONNECT_SECONDS = 10
CONNECT_TRIES = 3
CONNECT_PAUSE_SECONDS = 1


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


@contextmanager
def connect(name: str, config: Config) -> Iterator[SshExecutor]:
    """Connect to host `name`: a host of mldeploy.toml, or simply an alias of the SSH configuration file.

    Raises UnreachableError when it does not resolve, does not answer, is not known by its key, or refuses ours;
    UsageError when the key that its settings name is not there.
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
    if host and host.identity_file and not host.identity_file.exists():
        raise UsageError(
            f"the key for {name} is not there",
            cause=f"hosts.{name}.identity_file in mldeploy.toml is {host.identity_file}",
            remedy="Name the private key that the host knows, or leave identity_file out to use those of ~/.ssh.",
        )
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
    for hop in _hops(connection):
        # Of the keys that the SSH configuration file names, ssh passes over those that are not there.
        keys = [key for key in hop.connect_kwargs.get("key_filename", []) if Path(key).expanduser().exists()]
        hop.connect_kwargs = {**hop.connect_kwargs, "key_filename": keys, "transport_factory": Transport}
        if hop is connection:
            _check_keys(hop, _known_hosts(name, host, aliases), host.fingerprint if host else None)
        else:
            _check_keys(hop, _known_hosts(hop.original_host, None, aliases), None)
    return connection


def _hops(connection: Connection) -> Iterator[Connection]:
    """The connection, and those to the hosts that it goes through."""
    hop = connection
    while isinstance(hop, Connection):
        yield hop
        hop = hop.gateway


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
    if connection.transport is None:
        raise MldeployError(f"the connection to {name} closed at once", cause=where)
    for hop in _hops(connection):
        hop.transport.start_asking()


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
