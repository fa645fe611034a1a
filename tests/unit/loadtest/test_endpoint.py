from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mldeploy.config import Config, HostConfig
from mldeploy.errors import UsageError
from mldeploy.loadtest import Load
from mldeploy.loadtest.endpoint import check_may_load, find_endpoint

if TYPE_CHECKING:
    from pathlib import Path

ONE = Config(hosts={"prod": HostConfig(address="203.0.113.7")})
TWO = Config(hosts={"prod": HostConfig(url="https://churn.example"), "staging": HostConfig()})


@pytest.mark.parametrize(
    ("config", "host", "url", "endpoint"),
    [
        (ONE, None, None, "http://203.0.113.7/predict"),
        (TWO, "prod", None, "https://churn.example/predict"),
        (TWO, "staging", None, "http://staging/predict"),
        (TWO, "prod", "http://127.0.0.1:8000/", "http://127.0.0.1:8000/predict"),
        (Config(), None, "http://127.0.0.1:8000/v1/score", "http://127.0.0.1:8000/v1/score"),
    ],
)
def test_the_endpoint_is_the_url_else_the_hosts(
    config: Config, host: str | None, url: str | None, endpoint: str
) -> None:
    assert find_endpoint(config, host, url) == endpoint


@pytest.mark.parametrize(
    ("config", "host", "url", "said"),
    [
        (TWO, None, None, "not clear"),
        (Config(), None, None, "not clear"),
        (ONE, None, "127.0.0.1:8000", "not a URL"),
        (ONE, None, "ftp://127.0.0.1", "not a URL"),
    ],
)
def test_what_names_no_one_endpoint_is_refused(config: Config, host: str | None, url: str | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find_endpoint(config, host, url)


@pytest.mark.parametrize(
    "url",
    ["http://localhost:1/predict", "http://127.9.9.9/predict", "http://[::1]:8/predict", "http://203.0.113.7/predict"],
)
def test_this_machine_and_configured_hosts_may_be_loaded(url: str) -> None:
    check_may_load(url, ONE, owned=False)


def test_any_other_machine_may_be_loaded_only_by_its_owners_word() -> None:
    with pytest.raises(UsageError, match="neither this machine"):
        check_may_load("http://198.51.100.1/predict", ONE, owned=False)
    check_may_load("http://198.51.100.1/predict", ONE, owned=True)


def test_an_alias_of_the_ssh_file_is_loaded_at_its_address_and_only_when_named(tmp_path: Path) -> None:
    (tmp_path / "ssh").write_text("Host box\n  HostName 198.51.100.9\n")
    config = Config(ssh_config=tmp_path / "ssh")
    url = find_endpoint(config, "box", None)
    assert url == "http://198.51.100.9/predict"
    check_may_load(url, config, "box", owned=False)
    with pytest.raises(UsageError, match="neither this machine"):
        check_may_load(url, config, owned=False)
    with pytest.raises(UsageError, match="neither this machine"):
        check_may_load("http://somewhere/predict", config, "somewhere", owned=False)


def test_a_run_is_bounded_in_time() -> None:
    with pytest.raises(UsageError, match="3600 s"):
        Load("http://127.0.0.1/predict", rate=1, duration_s=3599, warmup_s=2)
