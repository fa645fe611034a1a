"""The lock is held by one at a time, frees itself, and without it nothing is done."""

from __future__ import annotations

import getpass
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mldeploy.errors import LockedError, LockLostError, MldeployError, UnreachableError
from mldeploy.release import lock
from mldeploy.release.lock import hold, whoami
from tests.unit.local_executor import LocalExecutor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    from mldeploy.host.executor import Secret


@pytest.fixture(autouse=True)
def lock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The lock in a folder of the test's own."""
    path = str(tmp_path / "state" / "lock")
    monkeypatch.setattr(lock, "LOCK", path)
    monkeypatch.setattr(lock, "_TOKEN", str(tmp_path / "token"))
    return path


def test_commands_run_while_it_is_held() -> None:
    with hold(LocalExecutor(), "testing") as guarded:
        assert guarded.run(["echo", "a b"]).stdout == "a b"


def test_a_second_holder_is_told_who_has_it_and_what_for() -> None:
    with hold(LocalExecutor(), "shipping penguins"), pytest.raises(LockedError) as failure:  # noqa: SIM117
        with hold(LocalExecutor(), "rolling back"):
            pass
    assert "shipping penguins" in failure.value.cause
    assert failure.value.exit_code == 6


def test_a_disk_that_takes_no_lock_is_not_said_to_be_locked(lock_file: str) -> None:
    Path(lock_file).mkdir(parents=True)
    with pytest.raises(MldeployError, match="lock of here could not be taken") as failure, hold(LocalExecutor(), "x"):
        pass
    assert "Is a directory" in failure.value.cause
    assert failure.value.exit_code == 1


def test_a_connection_that_ends_before_an_answer_is_not_said_to_be_locked() -> None:
    with pytest.raises(UnreachableError), hold(LostExecutor(), "shipping"):
        pass


def test_a_full_disk_keeps_nobody_from_the_lock(lock_file: str) -> None:
    Path(lock_file).parent.mkdir(parents=True)
    Path(lock_file).symlink_to("/dev/full")
    with hold(LocalExecutor(), "rolling back") as guarded:
        assert guarded.run(["echo", "held"]).stdout == "held"


def test_it_is_free_again_as_soon_as_its_holder_leaves(lock_file: str) -> None:
    with hold(LocalExecutor(), "first") as first:
        pass
    _await_free(lock_file)
    with pytest.raises(LockLostError):
        first.run(["true"])


def test_a_holder_whose_heartbeat_is_missed_loses_it_and_can_no_longer_act(
    monkeypatch: pytest.MonkeyPatch, lock_file: str
) -> None:
    monkeypatch.setattr(lock, "MISSED_HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 3600)
    with hold(LocalExecutor(), "asleep") as asleep:
        _await_free(lock_file)
        with pytest.raises(LockLostError):
            asleep.run(["true"])


def test_the_heartbeat_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "MISSED_HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.1)
    beats = threading.Semaphore(0)
    with hold(CountingExecutor(beats), "awake") as awake:
        for _ in range(15):
            beats.acquire(timeout=5)
        assert awake.run(["echo", "still"]).stdout == "still"


class LostExecutor(LocalExecutor):
    """Its connection ends as soon as a command was started."""

    def open(self, argv: Sequence[str | Secret]) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.close()
        return ours


class CountingSocket(socket.socket):
    beats: threading.Semaphore

    def sendall(self, data: Buffer, flags: int = 0, /) -> None:
        super().sendall(data, flags)
        self.beats.release()


class CountingExecutor(LocalExecutor):
    """Counts the heartbeats sent, so that a test can await them."""

    def __init__(self, beats: threading.Semaphore) -> None:
        self._beats = beats

    def open(self, argv: Sequence[str | Secret]) -> CountingSocket:
        counting = CountingSocket(fileno=super().open(argv).detach())
        counting.beats = self._beats
        return counting


@pytest.mark.parametrize("failure", [KeyError("uid"), OSError("no such user")])
def test_a_user_without_a_name_is_its_number(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise failure

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert whoami().startswith(f"{os.getuid()}@")


def _await_free(lock_file: str) -> None:
    """Block until the lock file can be locked, as the next holder would find it."""
    LocalExecutor().run(["flock", lock_file, "true"], deadline=10)
