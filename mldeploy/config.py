"""mldeploy.toml as frozen models. An error names the file, the key, the value and the remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from mldeploy.bundle import Name, Record
from mldeploy.errors import UsageError

CONFIG_FILE = Path("mldeploy.toml")


class HostConfig(Record):
    """How to reach one machine. What is not given comes from the SSH configuration file, under the host's name.

    `monthly_price`, in dollars, turns its measured capacity into the cost of a million predictions.
    """

    address: str | None = None
    user: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    identity_file: Path | None = None
    known_hosts: Path | None = None
    url: str | None = Field(default=None, pattern=r"^https?://[^/]+$")
    monthly_price: float | None = Field(default=None, gt=0)


class Limits(Record):
    """What a release's container may use."""

    memory: str = Field(default="512m", pattern=r"^[1-9][0-9]*[kmg]$")
    cpus: float = Field(default=1.0, gt=0)
    pids: int = Field(default=128, gt=0)


class AppConfig(Limits):
    """The app, whose name is the manifest's unless given here, and the limits of its releases."""

    name: Name | None = None


class ImageConfig(Record):
    base: str = "python:3.13-slim"
    platform: str | None = Field(default=None, pattern=r"^linux/(amd64|arm64)$")


class SloConfig(Record):
    """What answers are held to: latency in milliseconds, share of errors, and the peak that is expected, a second."""

    p99_ms: float = Field(default=100.0, gt=0)
    max_error_rate: float = Field(default=0.0, ge=0, le=1)
    peak_qps: float | None = Field(default=None, gt=0)


class LoadtestConfig(Record):
    """How load tests are made; `staging` is the host where `ship --require-loadtest` wants a version to have passed."""

    duration_s: float = Field(default=30.0, gt=0)
    staging: str | None = None


class Config(Record):
    """The whole of mldeploy.toml; every key has a default, so that no file is needed."""

    registry: str | None = Field(default=None, pattern=r"^[^/\s]+(/[^\s]+)?[^/\s]$")
    ssh_config: Path = Path("~/.ssh/config")
    build_dir: Path = Path("build")
    hosts: dict[str, HostConfig] = Field(default_factory=dict)
    app: AppConfig = AppConfig()
    image: ImageConfig = ImageConfig()
    slo: SloConfig = SloConfig()
    loadtest: LoadtestConfig = LoadtestConfig()


def load_config(path: Path = CONFIG_FILE) -> Config:
    """Read `path`; without that file, all is default. Paths in it are relative to its folder."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except OSError as failure:
        raise UsageError(f"{path} cannot be read", cause=str(failure)) from failure
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as failure:
        raise UsageError(f"{path} is not valid TOML", cause=str(failure), remedy="Mend the line it names.") from failure
    try:
        config = Config.model_validate(raw)
    except ValidationError as failure:
        raise UsageError(
            f"{path} cannot be used as it is", cause=_explain(failure), remedy="README.md lists the settings."
        ) from failure
    return _anchor(config, path.parent)


def _explain(failure: ValidationError) -> str:
    lines = []
    for problem in failure.errors():
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            lines.append(f"{key}: there is no such key")
        else:
            lines.append(f"{key} = {problem['input']!r}: {problem['msg']}")
    return "; ".join(lines)


def _anchor(config: Config, folder: Path) -> Config:
    def at(path: Path | None) -> Path | None:
        return None if path is None else folder / path.expanduser()

    hosts = {
        name: host.model_copy(
            update={"identity_file": at(host.identity_file), "known_hosts": at(host.known_hosts)},
        )
        for name, host in config.hosts.items()
    }
    update: dict[str, Any] = {"ssh_config": at(config.ssh_config), "build_dir": at(config.build_dir), "hosts": hosts}
    return config.model_copy(update=update)
