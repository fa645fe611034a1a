"""The settings of mldeploy.toml become the server's environment, and are kept with the release."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mldeploy.config import AppConfig, load_config
from mldeploy.host import layout
from mldeploy.host.commands import files
from mldeploy.host.layout import AppFolder
from mldeploy.image.store import StoredModel
from mldeploy.release.settings import environment_of, read_settings, settings_for, write_settings
from tests.unit.local_executor import LocalExecutor

if TYPE_CHECKING:
    from pathlib import Path

TOML = """
[app]
threshold = 0.3
labels = { "0" = "stays", "1" = "leaves" }
cors_origins = ["https://a.example", "https://b.example"]

[app.requests]
rate_per_key = 20
max_rows = 100
deadline_ms = 500

[app.predictions]
omit = ["name", "email"]

[app.jwt]
secret_file = "signing"
issuer = "sso"
"""


@pytest.fixture
def app(tmp_path: Path) -> AppConfig:
    (tmp_path / "mldeploy.toml").write_text(TOML)
    return load_config(tmp_path / "mldeploy.toml").app


def test_what_is_set_and_nothing_else_goes_by_environment(app: AppConfig) -> None:
    assert environment_of(app) == {
        "MLDEPLOY_THRESHOLD": "0.3",
        "MLDEPLOY_LABELS": '{"0": "stays", "1": "leaves"}',
        "MLDEPLOY_CORS_ORIGINS": "https://a.example,https://b.example",
        "MLDEPLOY_RATE_PER_KEY": "20.0",
        "MLDEPLOY_MAX_BODY": str(16 * 1024**2),
        "MLDEPLOY_MAX_ROWS": "100",
        "MLDEPLOY_DEADLINE_MS": "500",
        "MLDEPLOY_PREDICTION_LOG_OMIT": "name,email",
        "MLDEPLOY_JWT_SECRET_FILE": "/run/secrets/signing",
        "MLDEPLOY_JWT_ISSUER": "sso",
    }


def test_a_release_keeps_its_settings(app: AppConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "ROOT", str(tmp_path))
    folder, executor = AppFolder("churn"), LocalExecutor()
    executor.run(files.make_folders(f"{folder.path}/settings"))
    settings = settings_for(app, "img@sha256:1")
    write_settings(executor, folder, "r1", settings)
    assert read_settings(executor, folder, "r1") == settings


def test_a_release_whose_model_is_fetched_keeps_how_long_that_may_take(
    app: AppConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "ROOT", str(tmp_path))
    folder, executor = AppFolder("churn"), LocalExecutor()
    executor.run(files.make_folders(f"{folder.path}/settings"))
    stored = StoredModel(1, "s3://models/x.onnx", "https://s3.example/models/x.onnx", "eu", "0" * 64, 300_000_000)
    write_settings(executor, folder, "r1", settings_for(app, "img@sha256:1", stored))
    assert read_settings(executor, folder, "r1").ready_seconds == 360
    assert settings_for(app, "img@sha256:1").ready_seconds == 60
