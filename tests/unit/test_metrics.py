"""The server's own account, from two readings of its /metrics."""

from __future__ import annotations

import pytest

from mldeploy.metrics import Reading, between, parse

TEXT = """\
# TYPE mldeploy_requests counter
mldeploy_requests_total{{route="/predict",status="200"}} {answered}
mldeploy_requests_total{{route="/health",status="200"}} 77
# TYPE mldeploy_request_seconds histogram
mldeploy_request_seconds_bucket{{route="/predict",le="0.001"}} {fast}
mldeploy_request_seconds_bucket{{route="/predict",le="0.01"}} {answered}
mldeploy_request_seconds_bucket{{route="/predict",le="+Inf"}} {answered}
# TYPE mldeploy_problems counter
mldeploy_problems_total{{kind="overloaded"}} {refused}
mldeploy_rows_total {rows}
# TYPE mldeploy_inference_seconds histogram
mldeploy_inference_seconds_bucket{{le="+Inf"}} {runs}
mldeploy_inference_seconds_count {runs}
mldeploy_inference_seconds_sum {seconds}
process_cpu_seconds_total {seconds}
process_resident_memory_bytes 64000000
"""


def reading(**counts: float) -> Reading:
    found = parse(TEXT.format(**counts))
    assert found is not None
    return found


def test_what_was_counted_between_two_readings_is_the_servers_view() -> None:
    view = between(
        reading(answered=1000, fast=1000, refused=3, rows=1000, runs=1000, seconds=1.0),
        reading(answered=2000, fast=1980, refused=3, rows=2000, runs=1500, seconds=1.1),
    )
    assert view is not None
    assert view.statuses == {"200": 1000}
    assert (view.p50_s, view.p99_s) == (0.001, 0.01)
    assert view.problems == {}
    assert view.rows == 1000
    assert view.rows_a_run == 2.0
    assert view.run_s == pytest.approx(0.0002)
    assert view.memory == 64_000_000


def test_a_server_that_started_anew_in_between_has_no_view() -> None:
    before = reading(answered=1000, fast=1000, refused=0, rows=1000, runs=1000, seconds=1.0)
    assert between(before, reading(answered=5, fast=5, refused=0, rows=5, runs=5, seconds=0.1)) is None
    assert between(None, before) is None


def test_metrics_of_another_program_are_not_taken_for_ours() -> None:
    assert parse("# TYPE http_requests counter\nhttp_requests_total 5\n") is None
