"""What mldeploy.toml says of serving arrives at the server, by its environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.config import AppConfig, JwtConfig, RequestConfig
from mldeploy.release.settings import environment_of
from mldeploy_runtime.settings import read_settings

if TYPE_CHECKING:
    import pytest


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
