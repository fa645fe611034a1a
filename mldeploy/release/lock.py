"""The lock: one changing command a host at a time.

A process on the host holds it. It ends on end of input or when the heartbeat is missed, so a laptop that
died or fell asleep frees it, and nothing is ever left to remove by hand. Each changing command carries
the lock's token, so a laptop that wakes up after the lock went to another cannot act.
"""

from __future__ import annotations

import getpass
import os
import platform
import secrets
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mldeploy.errors import LockedError, LockLostError, MldeployError, UnreachableError
from mldeploy.host.executor import CommandError
from mldeploy.host.layout import LOCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mldeploy.host.executor import Executor, Result, Secret, Stream, Text

HEARTBEAT_SECONDS = 2
MISSED_HEARTBEAT_SECONDS = 10

_TOKEN = "/run/mldeploy.token"  # noqa: S105  a path, not a secret
_LOST = 97

# bash, because only its `read` has a time limit. /run is emptied by a reboot, and the token with it.
# Who holds it is a courtesy: a full disk keeps nobody from a rollback.
_HOLD = """
set -e
exec 2>&1
mkdir -p "$(dirname "$1")"
exec 9>> "$1"
if ! flock --nonblock 9; then printf 'held %s\\n' "$(cat "$1")"; exit 1; fi
printf '%s\\n' "$3" 2>/dev/null > "$1" || :
printf '%s' "$2" > "$4"
echo granted
while IFS= read -r -t "$5"; do :; done
rm -f "$4"
"""
_GUARD = '[ "$(cat "$1" 2>/dev/null)" = "$2" ] || exit "$3"; shift 3; exec "$@"'


@contextmanager
def hold(executor: Executor, doing: str) -> Iterator[Executor]:
    """Hold the host's lock; yields an executor whose every command runs only while it is held.

    Raises LockedError when another holds it, naming who, since when and for what; UnreachableError when the host
    does not answer; MldeployError when it cannot lock, as on a read-only disk.
    """
    token = secrets.token_hex(16)
    who = f"{whoami()}, {doing}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    stream = executor.open(["bash", "-c", _HOLD, "lock", LOCK, token, who, _TOKEN, str(MISSED_HEARTBEAT_SECONDS)])
    try:
        _require_granted(executor.name, _read_line(stream))
        with _heartbeat(stream):
            yield Guarded(executor, token)
    finally:
        stream.close()


class Guarded:
    """An executor whose commands run only while the lock with this token is held."""

    def __init__(self, executor: Executor, token: str) -> None:
        self.name = executor.name
        self._executor = executor
        self._guard = ["sh", "-c", _GUARD, "guarded", _TOKEN, token, str(_LOST)]

    def run(
        self, argv: Sequence[str | Secret], *, stdin: Text = "", deadline: float = 30, check: bool = True
    ) -> Result:
        result = self._executor.run([*self._guard, *argv], stdin=stdin, deadline=deadline, check=False)
        if result.exit_code == _LOST:
            raise LockLostError(
                f"the lock of {self.name} was lost on the way, so nothing more was done",
                cause=f"no heartbeat reached it for {MISSED_HEARTBEAT_SECONDS} s: this machine slept or was cut off, "
                "or the host was restarted",
                remedy="What serves goes on serving. The next ship or rollback finishes or undoes the rest, and says "
                "which; `mldeploy status` shows how it stands.",
            )
        if check and result.exit_code != 0:
            raise CommandError(self.name, list(argv), result)
        return result

    def open(self, argv: Sequence[str | Secret]) -> Stream:
        return self._executor.open([*self._guard, *argv])


def whoami() -> str:
    """Who changes a host, and from where. A container may run as a user that has no name."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = str(os.getuid())
    return f"{user}@{platform.node()}"


@contextmanager
def _heartbeat(stream: Stream) -> Iterator[None]:
    over = threading.Event()

    def beat() -> None:
        while not over.wait(HEARTBEAT_SECONDS):
            try:
                stream.sendall(b"\n")
            except OSError:
                return

    thread = threading.Thread(target=beat, name="lock heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _require_granted(host: str, answer: str) -> None:
    if answer == "granted":
        return
    if answer.startswith("held"):
        raise LockedError(
            f"{host} is being changed by another",
            cause=answer.removeprefix("held").strip() or "it has not said yet who it is",
            remedy="Wait until it is done. The lock frees itself 10 s after its holder is gone.",
        )
    if answer:
        raise MldeployError(
            f"the lock of {host} could not be taken", cause=answer, remedy=f"Look at the machine with `ssh {host}`."
        )
    raise _unanswered("the connection ended")


def _unanswered(cause: str) -> UnreachableError:
    return UnreachableError(
        "the host did not answer when asked for its lock",
        cause=cause,
        remedy="Look at the machine, then run the command again.",
    )


def _read_line(stream: Stream) -> str:
    stream.settimeout(MISSED_HEARTBEAT_SECONDS)
    line = b""
    while not line.endswith(b"\n"):
        try:
            chunk = stream.recv(1024)
        except TimeoutError as failure:
            raise _unanswered(f"nothing came for {MISSED_HEARTBEAT_SECONDS} s") from failure
        if not chunk:
            break
        line += chunk
    return line.decode(errors="replace").strip()
