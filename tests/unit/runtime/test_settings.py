"""What mldeploy.toml says of serving arrives at the server, by its environment."""

from __future__ import annotations

import re

import pytest

from mldeploy.config import AppConfig, JwtConfig, RequestConfig
from mldeploy.release.settings import environment_of
from mldeploy_runtime.settings import read_settings

EVERYTHING = {
    "threshold": 0.3,
    "labels": {"0": "stays"},
    "unknown": "warn",
    "workers": 2,
    "fallback": "prior",
    "cors_origins": ["https://a.example"],
    "requests": {"rate_per_key": 1, "rate_per_address": 1, "max_rows": 1, "deadline_ms": 1, "queue": 1},
    "predictions": {"max_bytes": 1, "keep_days": 1, "sample": 0.5, "hash": ["a"], "omit": ["b"]},
    "jwt": {"secret_file": "a", "jwks_file": "b", "issuer": "c", "audience": "d"},
}


def test_the_server_reads_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    app = AppConfig(
        cors_origins=("https://a.example", "https://b.example"),
        requests=RequestConfig(rate_per_key=20, max_rows=100, deadline_ms=500),
        jwt=JwtConfig.model_validate({"secret_file": "signing"}),
    )
    for name, value in environment_of(app).items():
        monkeypatch.setenv(name, value)
    server = read_settings([])
    assert (server.rate_per_key, server.max_rows, server.limits.deadline_seconds) == (20, 100, 0.5)
    assert server.cors_origins == {"https://a.example", "https://b.example"}
    assert str(server.jwt.secret_file) == "/run/secrets/signing"


def test_no_setting_is_taken_and_then_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    given = environment_of(AppConfig.model_validate(EVERYTHING))
    assert len(given) == 21
    with pytest.raises(SystemExit):
        read_settings(["--help"])
    known = set(re.findall(r"MLDEPLOY_[A-Z_]+", capsys.readouterr().out.replace("\n", " ")))
    assert set(given) <= known
