"""mldeploy.toml as frozen models. An error names the file, the key, the value and the remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, StringConstraints, ValidationError, model_validator

from mldeploy.bundle import Record, Unknown
from mldeploy.errors import UsageError
from mldeploy.host.layout import AppName  # noqa: TC001  the models are built from it

CONFIG_FILE = Path("mldeploy.toml")
SECRETS_FOLDER = "/run/secrets"

Domain = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$")]
SecretName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")]
# A secret is named in the settings, and reaches the server as the path of its file.
SecretFile = Annotated[SecretName, PlainSerializer(lambda name: f"{SECRETS_FOLDER}/{name}")]
# Lists travel with commas between their entries.
Word = Annotated[str, StringConstraints(pattern=r"^[^,]+$")]

Platform = Literal["linux/amd64", "linux/arm64"]
Backend = Literal["onnx", "native", "auto"]


class HostConfig(Record):
    """How to reach one machine. What is not given comes from the SSH configuration file, under the host's name.

    `fingerprint` is that of its SSH key, for the first contact.

    `monthly_price`, in dollars, turns its measured capacity into the cost of a million predictions.
    """

    address: str | None = None
    user: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    identity_file: Path | None = None
    known_hosts: Path | None = None
    fingerprint: str | None = Field(default=None, pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")
    url: str | None = Field(default=None, pattern=r"^https?://[^/]+$")
    monthly_price: float | None = Field(default=None, gt=0)


class Limits(Record):
    """What a release's container may use."""

    memory: str = Field(default="512m", pattern=r"^[1-9][0-9]*[kmg]$")
    cpus: float = Field(default=1.0, gt=0)
    pids: int = Field(default=128, gt=0)


class RequestConfig(Record):
    """What requests may ask: rates a second, sizes in bytes, times in milliseconds."""

    rate_per_key: float | None = Field(default=None, gt=0)
    rate_per_address: float | None = Field(default=None, gt=0)
    max_body: int = Field(default=16 * 1024**2, gt=0)
    max_rows: int | None = Field(default=None, gt=0)
    deadline_ms: int | None = Field(default=None, gt=0)
    queue: int | None = Field(default=None, gt=0)


class PredictionLogConfig(Record):
    """The log of predictions: what it keeps of each, and how much of it is kept."""

    max_bytes: int | None = Field(default=None, gt=0)
    keep_days: int | None = Field(default=None, gt=0)
    sample: float | None = Field(default=None, gt=0, le=1)
    hash: tuple[Word, ...] | None = None
    omit: tuple[Word, ...] | None = None


class JwtConfig(Record):
    """JSON Web Tokens as keys. The files are secrets: `mldeploy secrets set NAME`."""

    secret_file: SecretFile | None = None
    jwks_file: SecretFile | None = None
    issuer: str | None = None
    audience: str | None = None


class ServingConfig(Record):
    """How the server of a release answers; kept with the release, so that a rollback brings it back."""

    threshold: float | None = Field(default=None, ge=0, le=1)
    labels: dict[str, str] | None = None
    unknown: Unknown | None = None
    workers: int | None = Field(default=None, gt=0)
    fallback: str | None = None
    cors_origins: tuple[Word, ...] | None = None
    requests: RequestConfig = RequestConfig()
    predictions: PredictionLogConfig = PredictionLogConfig()
    jwt: JwtConfig = JwtConfig()


class TlsConfig(Record):
    """Who signs the app's certificate: a public authority for a domain, else the host's own; or nobody.

    `directory` is another ACME authority, and `root` the file of its root certificate, where browsers do not know it.
    `hsts_seconds` is how long browsers are to insist on HTTPS; 0 says nothing to them.
    """

    mode: Literal["acme", "internal", "off"] | None = None
    email: str | None = None
    directory: str | None = Field(default=None, pattern=r"^https://\S+$")
    root: Path | None = None
    hsts_seconds: int = Field(default=365 * 24 * 3600, ge=0)


class AppConfig(Limits, ServingConfig):
    """The app, whose name is the manifest's unless given here, where it answers, and how its releases run.

    `public` lets anybody ask, without a key. `prediction_log` keeps every prediction on the host.
    """

    name: AppName | None = None
    domain: Domain | None = None
    path: str | None = Field(default=None, pattern=r"^(/[A-Za-z0-9._~-]+)+$")
    public: bool = False
    prediction_log: bool = True
    tls: TlsConfig = TlsConfig()

    @model_validator(mode="after")
    def _acme_needs_a_domain(self) -> AppConfig:
        if self.tls.mode == "acme" and self.domain is None:
            raise ValueError('tls.mode = "acme" needs a domain: authorities certify no bare address')
        return self


class ModelConfig(Record):
    """Where models go that are too large for an image: `store` is s3://bucket/prefix, for those over `store_over_mb`.

    `endpoint` is that of another storage than Amazon's with the same interface.
    """

    store: str | None = Field(default=None, pattern=r"^s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9._/-]*[A-Za-z0-9._-])?$")
    store_over_mb: float = Field(default=200.0, ge=0)
    endpoint: str | None = Field(default=None, pattern=r"^https?://[^/]+$")
    region: str = "us-east-1"


class ImageConfig(Record):
    base: str = "python:3.13-slim"
    platform: Platform | None = None


class SloConfig(Record):
    """What answers are held to: latency in milliseconds, share of errors, and the peak that is expected, a second."""

    p99_ms: float = Field(default=100.0, gt=0)
    max_error_rate: float = Field(default=0.0, ge=0, le=1)
    peak_qps: float | None = Field(default=None, gt=0)


class WatchConfig(Record):
    """After a switch: how long the old release stays warm, and what the new one is switched back for.

    That is a share of errors this much above the old one's, or a p99 over `[slo] p99_ms` and so many times the old
    one's; both from `min_requests` on, for fewer say nothing.
    """

    seconds: float = Field(default=30.0, ge=0)
    max_more_errors: float = Field(default=0.01, ge=0, le=1)
    max_p99_ratio: float = Field(default=3.0, ge=1)
    min_requests: int = Field(default=50, gt=0)


class LoadtestConfig(Record):
    """How load tests are made; `staging` is the host where `ship --require-loadtest` wants a version to have passed."""

    duration_s: float = Field(default=30.0, gt=0)
    staging: str | None = None


class Config(Record):
    """The whole of mldeploy.toml; every key has a default, so that no file is needed."""

    registry: str | None = Field(default=None, pattern=r"^[^/\s]+(/[^\s]+)?[^/\s]$")
    ssh_config: Path = Path("~/.ssh/config")
    build_dir: Path = Path("build")
    backend: Backend = "onnx"
    hosts: dict[str, HostConfig] = Field(default_factory=dict)
    app: AppConfig = AppConfig()
    model: ModelConfig = ModelConfig()
    image: ImageConfig = ImageConfig()
    slo: SloConfig = SloConfig()
    watch: WatchConfig = WatchConfig()
    loadtest: LoadtestConfig = LoadtestConfig()


def load_config(path: Path = CONFIG_FILE) -> Config:
    """Read `path`; without that file, all is default. Paths in it are relative to its folder."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeError) as failure:
        raise UsageError(
            f"{path} cannot be read", cause=str(failure), remedy="It must be a text file in UTF-8, open to you."
        ) from failure
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
    tls = config.app.tls.model_copy(update={"root": at(config.app.tls.root)})
    update: dict[str, Any] = {
        "ssh_config": at(config.ssh_config),
        "build_dir": at(config.build_dir),
        "hosts": hosts,
        "app": config.app.model_copy(update={"tls": tls}),
    }
    return config.model_copy(update=update)
