"""Files of the prediction log: JSON lines that are only ever appended to, then compressed, and in time deleted.

Each release of an app writes to a folder of its own beside those of the others, and several workers may do so at once:
each has a file of its own, which it holds a lock on (flock), and which nobody else touches. The kernel frees the lock
of a process that dies, so what is not locked is finished. One of all that write holds the lock of the keeper: it
compresses finished files and deletes the oldest, whichever release they are of.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import secrets
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS_A_DAY = 86_400
# A file is closed at this size, or at this part of what all may take where that is less.
MOST_FILE_BYTES = 64 * 1024 * 1024
PARTS = 16
PLAIN, COMPRESSED = ".jsonl", ".jsonl.gz"
KEEPER = ".keeper"
# Compresses a file while nothing else wants the processor, which it says first: its imports alone take long.
COMPRESS = """
import os, runpy, sys
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
runpy.run_path(sys.argv[1], run_name="__main__")
"""
# Files grow while one is compressed, which takes long where little is left of the processor.
LOOK_SECONDS = 2.0
MOST_REASON_CHARACTERS = 500


def _now() -> datetime:
    return datetime.now(UTC)


class LogFile:
    """Appends to files of its own in `folder`, one after the other: by the size and by the day, in UTC."""

    def __init__(self, folder: Path, most_bytes: int, clock: Callable[[], datetime] = _now) -> None:
        self._folder = folder
        self._clock = clock
        self._most_bytes = min(MOST_FILE_BYTES, most_bytes // PARTS)
        self._descriptor: int | None = None
        self._size = 0
        self._day = ""

    def append(self, lines: bytes | bytearray) -> None:
        """All of `lines` or, when it raises OSError, none of them."""
        if self._today() != self._day or self._size >= self._most_bytes:
            self.close()
        if self._descriptor is None:
            self._descriptor = self._create()
            self._size, self._day = 0, self._today()
        written = 0
        try:
            while written < len(lines):
                written += os.write(self._descriptor, lines[written:])
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(lines)

    def sync(self) -> None:
        """Have what was appended survive a power cut, and end a file of another day."""
        if self._descriptor is None:
            return
        if self._today() == self._day:
            os.fdatasync(self._descriptor)
        else:
            self.close()

    def close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def _today(self) -> str:
        return f"{self._clock():%Y%m%d}"

    def _create(self) -> int:
        """A new file, which is locked before others see it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{self._clock():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        hidden = self._folder / f".{name}.new"
        descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.rename(self._folder / f"{name}{PLAIN}")
            _sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor


class Keeper:
    """Keeps `folder`, and the folders in it, within `most_bytes` and `keep_days`, unless another process does."""

    def __init__(self, folder: Path, most_bytes: int, keep_days: float) -> None:
        self._folder = folder
        # Files that are being written grow until the next sweep.
        self._most_bytes = most_bytes - most_bytes // PARTS
        self._keep_seconds = keep_days * SECONDS_A_DAY
        self._lock: int | None = None

    def sweep(self) -> None:
        """Compress what is finished and delete what is too old or too much.

        Compressing is left to a process that gets what others leave of the processor. A thread that gets no more would
        hold up all others: who gives the interpreter's lock to it waits until it has had its turn. Raises OSError.
        """
        if not self._is_ours():
            return
        # Before there is less room, not after.
        self._delete()
        tried = set[Path]()
        while path := next((path for path in self._finished(PLAIN) if path not in tried), None):
            tried.add(path)
            argv = [sys.executable, "-I", "-S", "-c", COMPRESS, __file__, str(path)]
            with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as compressing:
                while compressing.poll() is None:
                    with suppress(subprocess.TimeoutExpired):
                        compressing.wait(LOOK_SECONDS)
                    self._delete(spare=path)
                if compressing.returncode:
                    assert compressing.stderr is not None  # noqa: S101 - as was asked for
                    reason = compressing.stderr.read().strip() or f"exit code {compressing.returncode}"
                    raise OSError(f"{path.name} was not compressed: {reason[-MOST_REASON_CHARACTERS:]}")

    def _is_ours(self) -> bool:
        if self._lock is None:
            descriptor = os.open(self._folder / KEEPER, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
            if not _lock(descriptor):
                os.close(descriptor)
                return False
            self._lock = descriptor
            for leftover in (*self._folder.rglob(".*.part"), *self._folder.rglob(".*.new")):
                if not _is_locked(leftover):
                    leftover.unlink()
        return True

    def _delete(self, spare: Path | None = None) -> None:
        """All but `spare`, which is being compressed: the next oldest go instead."""
        stats = dict[Path, os.stat_result]()
        for path in (*self._all(PLAIN), *self._all(COMPRESSED)):
            with suppress(FileNotFoundError):  # it was just compressed
                stats[path] = path.stat()
        if spare is not None:  # for a moment it is there in both forms
            stats.pop(spare.with_name(f"{spare.name}.gz"), None)
        total = sum(stat.st_size for stat in stats.values())
        oldest_first = sorted([*self._finished(PLAIN), *self._finished(COMPRESSED)], key=lambda path: path.name)
        too_old = time.time() - self._keep_seconds
        for path in oldest_first:
            if path in stats and path != spare and (total > self._most_bytes or stats[path].st_mtime < too_old):
                path.unlink(missing_ok=True)
                total -= stats[path].st_size
        for folder in self._folder.iterdir():
            if folder.is_dir() and folder.stat().st_mtime < too_old:
                with suppress(OSError):  # it holds files
                    folder.rmdir()

    def _finished(self, kind: str) -> Iterator[Path]:
        """The files that nobody writes."""
        return (path for path in self._all(kind) if kind == COMPRESSED or not _is_locked(path))

    def _all(self, kind: str) -> list[Path]:
        """The oldest first, as they are named after when they were begun."""
        return sorted(self._folder.rglob(f"*{kind}"), key=lambda path: path.name)


def compress(path: Path) -> None:
    """Replace a file by its compressed form. Done again after a crash, it ends the same."""
    part = path.with_name(f".{path.name}.part")
    try:
        with path.open("rb") as plain, gzip.open(part, "wb", compresslevel=6) as compressed:
            shutil.copyfileobj(plain, compressed, 256 * 1024)
        with part.open("rb") as whole:
            os.fsync(whole.fileno())
        modified = path.stat().st_mtime
        os.utime(part, (modified, modified))
        part.rename(path.with_name(path.name + ".gz"))
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(path.parent)
    path.unlink()


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # it was just compressed, by who is at it
        return True
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    try:
        compress(Path(sys.argv[2]))
    except OSError as failure:
        sys.exit(str(failure))
