"""Files of the prediction log: one writer each, compressed when finished, within a size and an age."""

from __future__ import annotations

import gzip
import os
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from mldeploy_runtime import log_files
from mldeploy_runtime.log_files import SECONDS_A_DAY, Keeper, LogFile
from tests.unit.runtime.server import RUNTIME

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MANY = 16 * 1024 * 1024

DIES = """
import os, sys
from pathlib import Path
from mldeploy_runtime.log_files import LogFile
file = LogFile(Path(sys.argv[1]), 2**24)
file.append(b"from one that died\\n")
os._exit(9)
"""


def names(folder: Path, kind: str) -> list[str]:
    return sorted(path.name for path in folder.glob(f"*{kind}") if not path.name.startswith("."))


def finished(folder: Path, lines: bytes, name: str, *, age_days: float = 0) -> None:
    path = folder / f"{name}.jsonl"
    path.write_bytes(lines)
    then = path.stat().st_mtime - age_days * SECONDS_A_DAY
    os.utime(path, (then, then))


def test_two_writers_have_a_file_each_and_neither_is_touched_while_it_lives(tmp_path: Path) -> None:
    files = [LogFile(tmp_path, MANY), LogFile(tmp_path, MANY)]
    for file in files:
        file.append(b"one\n")
    Keeper(tmp_path, MANY, 30).sweep()
    for file in files:
        file.append(b"two\n")
        file.sync()
    assert [path.read_bytes() for path in tmp_path.glob("*.jsonl")] == [b"one\ntwo\n"] * 2
    assert names(tmp_path, ".gz") == []


def test_what_a_process_that_died_has_left_is_compressed(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", DIES, str(tmp_path)], env=os.environ | {"PYTHONPATH": str(RUNTIME)}, check=False
    )
    Keeper(tmp_path, MANY, 30).sweep()
    [path] = tmp_path.glob("*.jsonl.gz")
    assert gzip.decompress(path.read_bytes()) == b"from one that died\n"
    assert names(tmp_path, ".jsonl") == []


def test_a_file_ends_with_its_size_and_with_its_day(tmp_path: Path) -> None:
    now = [datetime(2030, 1, 1, 23, 59, tzinfo=UTC)]
    file = LogFile(tmp_path, 16 * 100, lambda: now[0])
    for line in (b"x" * 101 + b"\n", b"after the size\n", b"with it\n"):
        file.append(line)
    now[0] += timedelta(minutes=2)
    file.append(b"after midnight\n")
    found = {path.name[:15]: path.read_bytes() for path in tmp_path.glob("*.jsonl")}
    assert len(names(tmp_path, ".jsonl")) == 3
    assert found["20300102T000100"] == b"after midnight\n"
    assert b"after the size\nwith it\n" in [path.read_bytes() for path in tmp_path.glob("*.jsonl")]


def test_the_file_of_a_writer_that_has_nothing_to_write_ends_with_its_day_too(tmp_path: Path) -> None:
    now = [datetime(2030, 1, 1, 23, 59, tzinfo=UTC)]
    file, keeper = LogFile(tmp_path, MANY, lambda: now[0]), Keeper(tmp_path, MANY, 30)
    file.append(b"{}\n")
    file.sync()
    keeper.sweep()
    assert names(tmp_path, ".gz") == []
    now[0] += timedelta(minutes=2)
    file.sync()
    keeper.sweep()
    assert len(names(tmp_path, ".gz")) == 1


def test_why_a_file_was_not_compressed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "COMPRESS", "import sys; sys.exit('no room')")
    finished(tmp_path, b"{}\n", "20260101T000000-0")
    with pytest.raises(OSError, match=r"20260101T000000-0\.jsonl was not compressed: no room"):
        Keeper(tmp_path, MANY, 30).sweep()
    assert names(tmp_path, ".jsonl") == ["20260101T000000-0.jsonl"]


def test_the_oldest_go_when_there_is_too_much_and_when_they_are_too_old(tmp_path: Path) -> None:
    noise = os.urandom(40_000)
    for number in range(4):
        finished(tmp_path, noise, f"2026010{number}T000000-0")
    finished(tmp_path, b"old\n", "20251231T000000-0", age_days=31)
    Keeper(tmp_path, most_bytes=100_000, keep_days=30).sweep()
    assert names(tmp_path, "") == ["20260102T000000-0.jsonl.gz", "20260103T000000-0.jsonl.gz"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 100_000


WAITS = """
import os, pathlib, time
pathlib.Path({begun!r}).touch()
while not os.path.exists({go!r}):
    time.sleep(0.01)
"""


def test_what_is_written_while_one_is_compressed_for_long_is_kept_within_the_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, begun, go = tmp_path / "log", tmp_path / "begun", tmp_path / "go"
    folder.mkdir()
    monkeypatch.setattr(log_files, "COMPRESS", WAITS.format(begun=str(begun), go=str(go)) + log_files.COMPRESS)
    monkeypatch.setattr(log_files, "LOOK_SECONDS", 0.01)
    finished(folder, b"first\n", "20260101T000000-0")
    sweeping = Thread(target=Keeper(folder, most_bytes=100_000, keep_days=30).sweep)
    sweeping.start()
    try:
        await_that(begun.exists)
        for number in (2, 3, 4, 5):
            finished(folder, os.urandom(40_000), f"2026010{number}T000000-0")
        await_that(lambda: len(names(folder, ".jsonl")) <= 3)
        kept = names(folder, ".jsonl")
    finally:
        go.touch()
        sweeping.join()
    assert kept == ["20260101T000000-0.jsonl", "20260104T000000-0.jsonl", "20260105T000000-0.jsonl"]
    assert names(folder, ".jsonl.gz") == [f"{name}.gz" for name in kept]


def await_that(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_releases_that_no_longer_run_have_left_is_kept_within_the_same_bounds(tmp_path: Path) -> None:
    for release, age_days in (("r1", 31.0), ("r2", 1.0)):
        (tmp_path / release).mkdir()
        finished(tmp_path / release, b"{}\n", f"2026010{release[1]}T000000-0", age_days=age_days)
    long_ago = (tmp_path / "r1").stat().st_mtime - 31 * SECONDS_A_DAY
    LogFile(tmp_path / "r3", MANY).append(b"{}\n")
    keeper = Keeper(tmp_path, MANY, 30)
    keeper.sweep()
    assert names(tmp_path / "r1", "") == []
    assert names(tmp_path / "r2", "") == ["20260102T000000-0.jsonl.gz"]
    os.utime(tmp_path / "r1", (long_ago, long_ago))
    keeper.sweep()
    assert names(tmp_path, "") == ["r2", "r3"]


def test_one_keeper_keeps_until_it_is_gone(tmp_path: Path) -> None:
    first, second = Keeper(tmp_path, MANY, 30), Keeper(tmp_path, MANY, 30)
    first.sweep()
    finished(tmp_path, b"{}\n", "20260101T000000-0")
    second.sweep()
    assert names(tmp_path, ".gz") == []
    first.sweep()
    assert names(tmp_path, ".gz") == ["20260101T000000-0.jsonl.gz"]


def test_compressing_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    finished(tmp_path, b"{}\n", "20260101T000000-0")
    (tmp_path / ".20260101T000000-0.jsonl.part").write_bytes(b"\x1f\x8b torn")
    (tmp_path / "20260101T000000-0.jsonl.gz").write_bytes(gzip.compress(b"{}\n"))
    Keeper(tmp_path, MANY, 30).sweep()
    assert [path.name for path in tmp_path.iterdir() if path.name != ".keeper"] == ["20260101T000000-0.jsonl.gz"]
    assert gzip.decompress((tmp_path / "20260101T000000-0.jsonl.gz").read_bytes()) == b"{}\n"


def test_lines_that_do_not_fit_leave_no_part_of_them(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    file = LogFile(tmp_path, MANY)
    try:
        file.append(b"fits\n")
        with pytest.raises(OSError, match="too large"):
            file.append(b"x" * 2000 + b"\n")
        file.append(b"fits again\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    [path] = tmp_path.glob("*.jsonl")
    assert path.read_bytes() == b"fits\nfits again\n"
