"""The prediction log of the real server: complete after a stop, short of a second after a crash, harmless when full."""

from __future__ import annotations

import asyncio
import gzip
import hmac
import json
import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from mldeploy_runtime import prediction_log
from mldeploy_runtime.bundle import BundleError, read_manifest
from mldeploy_runtime.log_files import LogFile
from mldeploy_runtime.logs import Log
from mldeploy_runtime.prediction_log import PredictionLog
from mldeploy_runtime.service import Service
from mldeploy_runtime.settings import PredictionLogSettings, Settings
from tests.unit.runtime.bundles import mixed_bundle, mixed_probability, numeric_bundle
from tests.unit.runtime.server import Server, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROW: dict[str, Any] = {"age": 42.0, "plan": "pro", "member": True}
NUMERIC = {"height": 1.0, "weight": 0.5, "visits": 2}


def lines(folder: Path) -> list[dict[str, Any]]:
    """All lines of all files, each of which must be whole."""
    plain = [path.read_bytes() for path in folder.rglob("*.jsonl")]
    compressed = [gzip.decompress(path.read_bytes()) for path in folder.rglob("*.jsonl.gz")]
    return [json.loads(line) for text in (*plain, *compressed) for line in text.splitlines()]


def ask(server: Server, *rows: Any, **headers: str) -> int:
    return server.client.post("/predict", json={"instances": rows}, headers=headers).status_code


def metric(server: Server, start: str) -> float:
    text = server.client.get("/metrics").text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(start))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_after_a_graceful_stop_every_row_is_there_with_its_answer(tmp_path: Path, workers: str) -> None:
    log = tmp_path / "log"
    with started(
        mixed_bundle(tmp_path), tmp_path, MLDEPLOY_PREDICTION_LOG=str(log), MLDEPLOY_WORKERS=workers
    ) as server:
        with ThreadPoolExecutor(4) as pool:
            asked = [ROW | {"age": float(age)} for age in range(40)]
            answered = list(pool.map(lambda row: ask(server, row, ROW, **{"X-Request-ID": str(row["age"])}), asked))
        assert set(answered) == {200}
        assert ask(server, {"age": "old"}) == 422
        assert server.stop() == (0, "")
    found = sorted(lines(log), key=lambda line: (float(line["request_id"]), line["row"]))
    assert [line["inputs"] for line in found] == [each for row in asked for each in (row, ROW)]
    for line in found:
        assert line["version"] == "1.2.3"
        assert line["time"].endswith("Z")
        assert line["output"]["probabilities"]["yes"] == pytest.approx(mixed_probability(line["inputs"]), abs=1e-6)
    assert [line["row"] for line in found[:2]] == [0, 1]


def test_a_crash_loses_what_came_within_the_last_second_at_most(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started(numeric_bundle(tmp_path), tmp_path, MLDEPLOY_PREDICTION_LOG=str(log)) as server:
        sent: list[tuple[float, str]] = []
        until = time.time() + 2.5
        while time.time() < until:
            sent.append((time.time(), str(len(sent))))
            ask(server, NUMERIC, **{"X-Request-ID": sent[-1][1]})
        killed = time.time()
        server.process.send_signal(signal.SIGKILL)
        server.process.communicate()
    found = {line["request_id"] for line in lines(log)}
    assert {name for moment, name in sent if moment < killed - 1.0} <= found
    assert found


def test_fields_are_left_out_or_hashed_as_anyone_with_the_salt_can_repeat(tmp_path: Path) -> None:
    log = tmp_path / "log"
    settings = {"OMIT": "member", "HASH": "plan, age", "SALT": "pepper"}
    environment: Any = {f"MLDEPLOY_PREDICTION_LOG_{name}": value for name, value in settings.items()}
    with started(mixed_bundle(tmp_path), tmp_path, MLDEPLOY_PREDICTION_LOG=str(log), **environment) as server:
        ask(server, ROW, ROW | {"plan": None})
        server.stop()
    first, second = (line["inputs"] for line in lines(log))
    assert first == {
        "age": hmac.new(b"pepper", b"42.0", "sha256").hexdigest(),
        "plan": hmac.new(b"pepper", b"pro", "sha256").hexdigest(),
    }
    assert second["plan"] is None


def test_of_a_sample_about_as_many_are_there(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with started(
        numeric_bundle(tmp_path), tmp_path, MLDEPLOY_PREDICTION_LOG=str(log), MLDEPLOY_PREDICTION_LOG_SAMPLE="0.5"
    ) as server:
        for _ in range(200):
            ask(server, NUMERIC)
        server.stop()
    assert 50 < len(lines(log)) < 150


def test_a_field_to_hide_that_the_model_has_not_is_an_error(tmp_path: Path) -> None:
    wanted = PredictionLogSettings(folder=tmp_path / "log", omit=frozenset({"email"}))

    async def start() -> None:
        Service(Settings(mixed_bundle(tmp_path), prediction_log=wanted), Log())

    with pytest.raises(BundleError, match="'email', which is no field of the model"):
        asyncio.run(start())


@pytest.mark.parametrize("rows", [1, 500])
def test_no_more_bytes_wait_for_a_disk_that_hangs_than_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    may_end = threading.Event()
    monkeypatch.setattr(LogFile, "append", lambda *_: may_end.wait(20))
    monkeypatch.setattr(prediction_log, "MOST_WAITING_BYTES", 2_000_000)
    numbers = [0.0, 0.0, 0.0]
    row = (42.0, "x" * 1000, True)

    async def ask() -> None:
        settings = Settings(tmp_path, prediction_log=PredictionLogSettings(folder=tmp_path / "log"))
        log = PredictionLog(settings, read_manifest(mixed_bundle(tmp_path)), Log(), numbers)
        for _ in range(4000 // rows):
            log.add("r", "k", [row] * rows, [1.0] * rows, fallback=False)
        may_end.set()
        await asyncio.to_thread(log.close)

    asyncio.run(ask())
    written, lost, overflowed = numbers
    assert (written + overflowed, lost) == (4000, 0)
    assert 1000 < written < 2500


def test_a_folder_that_cannot_be_written_costs_the_log_and_no_prediction(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file where the folder should be")
    with started(numeric_bundle(tmp_path), tmp_path, MLDEPLOY_PREDICTION_LOG=str(tmp_path / "log")) as server:
        assert ask(server, NUMERIC) == 200
        wait_until_logged(server, 1, "mldeploy_prediction_log_lost_total")
        assert server.control("status")[1]["predictions_lost"] == 1
        server.process.terminate()
        output, _ = server.process.communicate(timeout=30)
    events = [json.loads(line)["event"] for line in output.splitlines()]
    assert events.count("predictions are not logged") == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False)
    if done.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_costs_lines_that_are_counted_and_the_log_goes_on_when_there_is_room(small_disk: Path) -> None:
    filler = small_disk / "filler"
    with started(
        numeric_bundle(small_disk.parent),
        small_disk.parent,
        MLDEPLOY_PREDICTION_LOG=str(small_disk / "log"),
        MLDEPLOY_PREDICTION_LOG_MAX_BYTES="10000000",
    ) as server:
        assert ask(server, NUMERIC) == 200
        wait_until_logged(server, 1)
        fill(filler)
        assert {ask(server, *[NUMERIC] * 500) for _ in range(10)} == {200}
        wait_until_logged(server, 5001, "mldeploy_prediction_log_")
        written = metric(server, "mldeploy_prediction_log_lines_total")
        assert metric(server, 'mldeploy_prediction_log_lost_total{reason="disk"}') == 5001 - written > 0
        filler.unlink()
        assert ask(server, NUMERIC, **{"X-Request-ID": "afterwards"}) == 200
        server.stop()
    found = lines(small_disk / "log")
    assert len(found) == written + 1
    assert "afterwards" in {line["request_id"] for line in found}


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(os.urandom(4096))
        except OSError:
            pass


def wait_until_logged(server: Server, least: int, kind: str = "mldeploy_prediction_log_lines_total") -> None:
    while metric(server, kind) < least:
        time.sleep(0.05)
