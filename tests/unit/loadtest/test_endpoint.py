from __future__ import annotations

import pytest

from mldeploy.config import Config, HostConfig
from mldeploy.errors import UsageError
from mldeploy.loadtest.endpoint import check_may_load, find_endpoint
from mldeploy.loadtest.samples import Load
from mldeploy.loadtest.server import metrics_url

ONE = Config(hosts={"prod": HostConfig(address="203.0.113.7")})


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/predict"),
        ("http://127.0.0.1:8000/v1/score", "http://127.0.0.1:8000/v1/score"),
    ],
)
def test_the_endpoint_is_the_url_with_its_path_or_predict(url: str, endpoint: str) -> None:
    assert find_endpoint(url) == endpoint


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ftp://127.0.0.1",
        "http://127.0.0.1:80a",
        "http://127.0.0.1:70000",
        "http://[::1",
        "http://a\x00b",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="not a URL"):
        find_endpoint(url)


@pytest.mark.parametrize(
    "url",
    ["http://localhost:1/predict", "http://127.9.9.9/predict", "http://[::1]:8/predict", "http://203.0.113.7/predict"],
)
def test_this_machine_and_configured_hosts_may_be_loaded(url: str) -> None:
    check_may_load(url, ONE, owned=False)


def test_a_host_may_be_loaded_by_the_name_of_its_url() -> None:
    config = Config(hosts={"prod": HostConfig(address="203.0.113.7", url="https://churn.example")})
    check_may_load("https://churn.example/predict", config, owned=False)


def test_any_other_machine_may_be_loaded_only_by_its_owners_word() -> None:
    with pytest.raises(UsageError, match="neither this machine"):
        check_may_load("http://198.51.100.1/predict", ONE, owned=False)
    check_may_load("http://198.51.100.1/predict", ONE, owned=True)


def test_a_run_is_bounded_in_time() -> None:
    with pytest.raises(UsageError, match="3600 s"):
        Load("http://127.0.0.1/predict", rate=1, duration_s=3599, warmup_s=2)


@pytest.mark.parametrize(
    ("url", "metrics"),
    [
        ("https://a.example/predict", "https://a.example/metrics"),
        ("https://a.example/churn/predict?x=1", "https://a.example/churn/metrics"),
        ("http://127.0.0.1:8000/v2/models/churn/infer", "http://127.0.0.1:8000/metrics"),
    ],
)
def test_the_metrics_of_an_app_are_beside_its_predict(url: str, metrics: str) -> None:
    assert metrics_url(url) == metrics
