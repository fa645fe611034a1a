"""Load against real servers on this machine, by the generator in its own process."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import pytest

from mldeploy.errors import MldeployError
from mldeploy.loadtest.report import Target, percentile, summarize
from mldeploy.loadtest.run import run_load
from mldeploy.loadtest.samples import Access, Load, Tick, Workers
from tests.integration.bundles import linear_bundle
from tests.integration.command import mldeploy, start
from tests.integration.stalling_server import Stall, serving
from tests.rig import keys

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.stalling_server import Breaks

ROWS = [{"a": 1.0}, {"a": 2.0}]
STALL = Stall(period_s=10.0, length_s=1.0)


def test_the_p99_of_a_stalling_server_is_that_of_the_arithmetic_and_a_closed_loop_misses_it() -> None:
    # Requests come evenly; a share of (length - x) / period of them waits longer than x. One in a hundred does so at:
    expected_s = STALL.length_s - 0.01 * STALL.period_s
    with serving(STALL) as url:
        load = Load(f"{url}/predict", rate=200, duration_s=2 * STALL.period_s)
        run = run_load(load, ROWS)
        closed_loop_s = _closed_loop_p99(url, seconds=STALL.period_s, rate=200)
    result = summarize(load, run, Target(p99_s=0.1))
    assert result.requests == 4000
    # wrk2's method: from when a request should have been sent by the rate, in order, the 99th of every hundred.
    assert result.p99_s == pytest.approx(np.sort(run.done - np.arange(4000) / 200)[3959], rel=1e-6)
    assert result.p99_s == pytest.approx(expected_s, rel=0.05)
    assert result.verdict == "missed"
    assert closed_loop_s < expected_s / 5


def _closed_loop_p99(url: str, seconds: float, rate: float) -> float:
    """What a client that waits for each answer before it sends again would report."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    latencies = []
    end = time.perf_counter() + seconds
    while (sent := time.perf_counter()) < end:
        connection.request("POST", "/predict", json.dumps({"instances": ROWS}), {"Content-Type": "application/json"})
        connection.getresponse().read()
        latencies.append(time.perf_counter() - sent)
        time.sleep(max(0.0, 1 / rate - latencies[-1]))
    connection.close()
    return percentile(np.array(latencies), 0.99)


def test_a_stalled_server_does_not_hold_back_what_is_due() -> None:
    with serving(Stall(period_s=1.0, length_s=0.5)) as url:
        ticks: list[Tick] = []
        load = Load(f"{url}/predict", rate=400, duration_s=2.0, arrivals="poisson")
        run = run_load(load, ROWS, ticks.append)
    assert np.array_equal(run.due, load.due_times())
    # A stall of half a second at 400 a second leaves 200 unanswered; who waits for answers never has more than one.
    unanswered = [np.count_nonzero((run.sent <= moment) & (run.done > moment)) for moment in run.sent]
    assert max(unanswered) > 100
    assert ticks
    assert ticks[-1].answered <= len(run.due)


@pytest.mark.parametrize(("target_s", "verdict"), [(10, "invalid"), (2, "missed")])
def test_more_unanswered_requests_than_the_bound_end_the_run_and_a_server_that_hangs_is_charged(
    target_s: float, verdict: str
) -> None:
    with serving(Stall(period_s=10.0, length_s=10.0)) as url:
        load = Load(f"{url}/predict", rate=100, duration_s=30, warmup_s=1, max_in_flight=20, timeout_s=4)
        started = time.monotonic()
        result = summarize(load, run_load(load, ROWS), Target(target_s))
    assert result.verdict == verdict
    assert "20 requests were unanswered at once" in result.cut_short
    assert time.monotonic() - started < load.duration_s


def test_an_answer_after_the_time_limit_is_an_error() -> None:
    with serving(Stall(period_s=1.0, length_s=0.5)) as url:
        load = Load(f"{url}/predict", rate=100, duration_s=2.0, timeout_s=0.2)
        result = summarize(load, run_load(load, ROWS), Target(p99_s=10, max_error_rate=0.5))
    assert list(result.errors) == ["timeout"]
    assert result.error_rate == pytest.approx(0.3, abs=0.1)


def test_the_authority_of_a_host_is_trusted_and_no_other_that_is_unknown(tmp_path: Path) -> None:
    root, key, certificate = tmp_path / "root.pem", tmp_path / "root.key", tmp_path / "server.pem"
    keys.authority(root, key)
    certificate.write_bytes(b"".join(keys.server_certificate("127.0.0.1", root, key)))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with serving(tls=context) as url:
        load = Load(f"{url}/predict", rate=50, duration_s=0.5)
        runs = [run_load(load, ROWS, access=access) for access in (Access(authority=root.read_text()), Access())]
    assert [summarize(load, run, Target(p99_s=10)).errors for run in runs] == [{}, {"TLS failure": 25}]


@pytest.mark.parametrize(("breaks", "kind"), [("closes", "broken answer"), ("stalls", "timeout")])
def test_an_answer_whose_body_does_not_come_whole_is_an_error(breaks: Breaks, kind: str) -> None:
    with serving(breaks=breaks) as url:
        load = Load(f"{url}/predict", rate=50, duration_s=0.5, timeout_s=0.5)
        result = summarize(load, run_load(load, ROWS), Target(p99_s=10))
    assert result.errors == {kind: 25}


@pytest.mark.parametrize("status", ["503 Service Unavailable", "308 Permanent Redirect", "422 Unprocessable Content"])
def test_any_answer_but_200_is_an_error_by_its_status(status: str) -> None:
    with serving(status=status) as url:
        load = Load(f"{url}/predict", rate=50, duration_s=0.5)
        result = summarize(load, run_load(load, ROWS), Target(p99_s=10))
    assert result.errors == {f"HTTP {status[:3]}": 25}


def test_a_server_that_is_not_there_gives_errors_not_a_failure_of_the_run() -> None:
    with serving() as url:
        gone = url
    load = Load(f"{gone}/predict", rate=50, duration_s=0.5)
    assert summarize(load, run_load(load, ROWS), Target(p99_s=10)).errors == {"connection refused": 25}


def test_the_generators_patches_do_not_reach_this_process() -> None:
    with serving() as url:
        run_load(Load(f"{url}/predict", rate=10, duration_s=0.2), ROWS)
    assert not {"locust", "gevent"} & sys.modules.keys()


def test_the_command_exits_by_the_verdict(tmp_path: Path) -> None:
    bundle = linear_bundle(tmp_path).path
    asked = ("loadtest", "--qps", "50", "--duration", "1s", "--warmup", "200ms", "--bundle", str(bundle))
    with serving(Stall(period_s=0.5, length_s=0.4)) as url:
        met = mldeploy(tmp_path, *asked, "--url", url, "--p99", "5s", "--json")
        missed = mldeploy(tmp_path, *asked, "--url", url, "--p99", "200ms")
    assert met.outcome["verdict"] == "met"
    assert missed.exit_code == 4
    assert "the target is missed" in missed.stderr
    elsewhere = mldeploy(tmp_path, *asked, "--url", url, "--csv", "out/run.csv")
    assert elsewhere.exit_code == 2
    assert "there is no folder out/" in elsewhere.stderr
    foreign = mldeploy(tmp_path, *asked, "--url", "http://198.51.100.1")
    assert foreign.exit_code == 2
    assert "--i-own-this-host" in foreign.stderr


def test_a_file_that_cannot_be_written_takes_nothing_from_the_result(tmp_path: Path) -> None:
    bundle = linear_bundle(tmp_path).path
    (tmp_path / "run.csv").mkdir()
    with serving() as url:
        ended = mldeploy(
            tmp_path,
            *("loadtest", "--qps", "40", "--duration", "500ms", "--warmup", "0", "--bundle", str(bundle), "--url", url),
            *("--csv", "run.csv", "--p99", "5s"),
        )
    assert ended.exit_code == 2
    assert "run.csv cannot be written" in ended.stderr
    assert "20 in all" in ended.stdout


def test_the_command_writes_a_page_and_the_raw_times_and_sends_the_rows_it_is_given(tmp_path: Path) -> None:
    bundle = linear_bundle(tmp_path).path
    (tmp_path / "mix.csv").write_text("a,b,other\n0.5,1,x\n0.25,2,y\n")
    with serving() as url:
        ended = mldeploy(
            tmp_path,
            *("loadtest", "--qps", "40", "--duration", "1s", "--warmup", "1s", "--bundle", str(bundle), "--url", url),
            *("--mix", "mix.csv", "--html", "run.html", "--csv", "run.csv", "--p99", "5s"),
        )
    assert ended.exit_code == 0, ended.stderr
    assert "<svg" in (tmp_path / "run.html").read_text()
    assert len((tmp_path / "run.csv").read_text().splitlines()) == 1 + 80


def test_the_capacity_found_is_what_the_server_can_do(tmp_path: Path) -> None:
    bundle = linear_bundle(tmp_path).path
    with serving(service_s=0.01) as url:
        found = mldeploy(
            tmp_path,
            *("loadtest", "--find-capacity", "--qps", "30", "--duration", "2s", "--warmup", "100ms", "--p99", "200ms"),
            *("--bundle", str(bundle), "--url", url, "--json"),
        )
    # It answers 100 a second; in two seconds, 20 more may wait for the 200 ms that are allowed.
    assert 80 <= found.outcome["rate"] <= 112
    assert found.outcome["trials"][-1]["verdict"] == "met"


def test_an_endpoint_that_fails_at_the_first_rate_has_no_capacity(tmp_path: Path) -> None:
    bundle = linear_bundle(tmp_path).path
    with serving(status="503 Service Unavailable") as url:
        asked = ("--find-capacity", "--qps", "20", "--duration", "500ms", "--warmup", "100ms", "--p99", "5s")
        ended = mldeploy(tmp_path, "loadtest", *asked, "--bundle", str(bundle), "--url", url)
    assert ended.exit_code == 4


def test_several_workers_send_between_them_what_one_would() -> None:
    load = Load("", rate=200, duration_s=2.0, arrivals="poisson")
    ticks: list[Tick] = []
    with serving() as url:
        run = run_load(replace(load, url=f"{url}/predict"), ROWS, ticks.append, workers=Workers(3))
    assert np.array_equal(run.due, load.due_times())
    assert not run.kind.any()
    assert run.complete
    assert ticks[-1].answered <= len(run.due)


def test_workers_on_other_machines_join_where_the_run_listens(tmp_path: Path) -> None:
    bundle = linear_bundle(tmp_path).path
    with serving() as url, socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        probe.close()
        joining = [start(tmp_path, "loadtest-worker", address) for _ in range(2)]
        ended = mldeploy(
            tmp_path,
            *("loadtest", "--qps", "100", "--duration", "1s", "--warmup", "100ms", "--p99", "5s", "--json"),
            *("--url", url, "--bundle", str(bundle), "--workers", "2", "--listen", address),
        )
    assert ended.exit_code == 0, ended.stderr
    assert ended.outcome["requests"] == 100
    assert [worker.wait(30) for worker in joining] == [0, 0]


def test_workers_that_never_come_end_the_run_with_one_message() -> None:
    load = Load("http://127.0.0.1:9/predict", rate=10, duration_s=1)
    with pytest.raises(MldeployError, match="the load generator ended early") as failure:
        run_load(load, ROWS, workers=Workers(2, "127.0.0.1:0", join_s=0.5))
    assert "did not join" in str(failure.value.cause)
