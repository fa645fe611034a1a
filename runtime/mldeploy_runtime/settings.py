"""What the process is started with: flags, whose defaults are the environment's."""

from __future__ import annotations

import argparse
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from mldeploy_runtime.batching import Limits

if TYPE_CHECKING:
    from collections.abc import Callable


class SettingsError(Exception):
    """The server cannot be started like this; the message says why."""


LEAST_LOG_BYTES = 64 * 1024


@dataclass(frozen=True)
class JwtSettings:
    """JSON Web Tokens as keys: the file of a secret (HS256) or of a JWKS (RS256), and the issuer and audience that a
    token must name, where they are set."""

    secret_file: Path | None = None
    jwks_file: Path | None = None
    issuer: str = ""
    audience: str = ""


@dataclass(frozen=True)
class PredictionLogSettings:
    """Where releases log predictions, each to a folder of its name; None for nowhere. All files there take no more
    than `max_bytes`, and each is kept for `keep_days`. Of all requests the share `sample` is logged. The values of the
    fields in `omit` are left out, those of the fields in `hash` hashed with `salt`."""

    folder: Path | None = None
    max_bytes: int = 1024 * 1024 * 1024
    keep_days: float = 30.0
    sample: float = 1.0
    hash: frozenset[str] = frozenset()
    omit: frozenset[str] = frozenset()
    salt: str = ""


@dataclass(frozen=True)
class Settings:
    """`rotation` is the folder whose file named `release` means: in rotation; None means always.

    `models` is the folder for a model that is not in the bundle but fetched. `control` is the path of the control
    socket; None means no socket. `receive_seconds` is how long a client may
    take to send the head of a request, and then its body, `send_seconds` to take the answer. Rates are requests a
    second, None for no limit. `proxy` is the address whose X-Forwarded-For is believed. `workers` is None for as many
    as the cores and the memory allow.

    `threshold`, `labels` (business names, in the order of the classes or by class) and `unknown` (what an unseen
    category means, for fields whose encoder takes one) stand in place of the manifest's.
    `fallback` is what answers while the circuit is open, which it is for `circuit_seconds` after `circuit_failures`
    requests in a row that the model could not answer.
    """

    bundle: Path
    models: Path = Path("/data/models")
    host: str = "0.0.0.0"  # noqa: S104 - inside a container, whose network is its own
    port: int = 8080
    control: Path | None = None
    release: str = ""
    rotation: Path | None = None
    max_body: int = 16 * 1024 * 1024
    max_rows: int = 10_000
    receive_seconds: float = 10.0
    send_seconds: float = 60.0
    keys: Path | None = None
    jwt: JwtSettings = field(default_factory=JwtSettings)
    rate_per_key: float | None = None
    rate_per_address: float | None = None
    proxy: str = ""
    cors_origins: frozenset[str] = frozenset()
    log_requests: bool = True
    workers: int | None = None
    threshold: float | None = None
    labels: tuple[str, ...] | dict[str, str] | None = None
    unknown: Literal["ignore", "warn", "reject"] | None = None
    fallback: str = "none"
    circuit_failures: int = 5
    circuit_seconds: float = 5.0
    prediction_log: PredictionLogSettings = field(default_factory=PredictionLogSettings)
    limits: Limits = field(default_factory=Limits)

    @property
    def takes_tokens(self) -> bool:
        """Whether JSON Web Tokens are keys."""
        return self.jwt.secret_file is not None or self.jwt.jwks_file is not None

    @property
    def needs_key(self) -> bool:
        """Whether a request needs a key."""
        return self.keys is not None or self.takes_tokens


def read_settings(arguments: list[str] | None = None) -> Settings:
    """Parse the command line; what it does not say comes from the environment."""
    parser = argparse.ArgumentParser(prog="mldeploy_runtime", description="Serve one bundle over HTTP.")

    def option(name: str, kind: Callable[[str], Any], default: Any) -> None:
        variable = f"MLDEPLOY_{name.upper().replace('-', '_')}"
        parser.add_argument(f"--{name}", type=kind, default=os.environ.get(variable, default), help=f"or {variable}")

    option("bundle", Path, "/bundle")
    option("models", Path, Settings.models)
    option("host", str, Settings.host)
    option("port", int, Settings.port)
    option("control", _path_or_none, "/run/mldeploy/control.sock")
    option("release", str, Settings.release)
    option("rotation", _path_or_none, None)
    option("max-body", int, Settings.max_body)
    option("max-rows", int, Settings.max_rows)
    option("receive-seconds", float, Settings.receive_seconds)
    option("send-seconds", float, Settings.send_seconds)
    option("keys", _path_or_none, None)
    option("jwt-secret-file", _path_or_none, None)
    option("jwt-jwks-file", _path_or_none, None)
    option("jwt-issuer", str, JwtSettings.issuer)
    option("jwt-audience", str, JwtSettings.audience)
    option("rate-per-key", _rate_or_none, None)
    option("rate-per-address", _rate_or_none, None)
    option("proxy", str, Settings.proxy)
    option("cors-origins", _names, "")
    option("log-requests", _yes_or_no, "yes")
    option("workers", _workers, "auto")
    option("threshold", _probability_or_none, None)
    option("labels", _labels_or_none, None)
    option("unknown", _unknown_or_none, None)
    option("fallback", str, Settings.fallback)
    option("circuit-failures", int, Settings.circuit_failures)
    option("circuit-seconds", float, Settings.circuit_seconds)
    option("prediction-log", _path_or_none, None)
    option("prediction-log-max-bytes", _bytes, str(PredictionLogSettings.max_bytes))
    option("prediction-log-keep-days", float, PredictionLogSettings.keep_days)
    option("prediction-log-sample", _share, "1")
    option("prediction-log-hash", _names, "")
    option("prediction-log-omit", _names, "")
    option("prediction-log-salt", str, "")
    option("inline-seconds", float, Limits.inline_seconds)
    option("queue", int, Limits.queue_requests)
    option("queue-seconds", float, Limits.queue_seconds)
    option("deadline-ms", int, round(Limits.deadline_seconds * 1000))
    given = vars(parser.parse_args(arguments))
    limits = Limits(
        inline_seconds=given.pop("inline_seconds"),
        queue_requests=given.pop("queue"),
        queue_seconds=given.pop("queue_seconds"),
        deadline_seconds=given.pop("deadline_ms") / 1000,
    )
    prediction_log = PredictionLogSettings(
        folder=given.pop("prediction_log"),
        **{
            name: given.pop(f"prediction_log_{name}")
            for name in ("max_bytes", "keep_days", "sample", "hash", "omit", "salt")
        },
    )
    jwt = JwtSettings(**{name: given.pop(f"jwt_{name}") for name in ("secret_file", "jwks_file", "issuer", "audience")})
    return Settings(**given, jwt=jwt, prediction_log=prediction_log, limits=limits)


def _path_or_none(text: str) -> Path | None:
    return Path(text) if text else None


def _rate_or_none(text: str) -> float | None:
    if not text:
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of requests a second")
    return rate


def _workers(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of workers nor auto")
    return int(text)


def _bytes(text: str) -> int:
    if not text.isdecimal() or int(text) < LEAST_LOG_BYTES:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes from {LEAST_LOG_BYTES} on")
    return int(text)


def _probability_or_none(text: str) -> float | None:
    return _share(text) if text else None


def _share(text: str) -> float:
    try:
        probability: float = msgspec.convert(text, Annotated[float, msgspec.Meta(ge=0, le=1)], strict=False)
    except msgspec.ValidationError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1") from None
    return probability


def _unknown_or_none(text: str) -> str | None:
    if text not in ("", "ignore", "warn", "reject"):
        raise argparse.ArgumentTypeError(f"{text!r} is none of ignore, warn, reject")
    return text or None


def _labels_or_none(text: str) -> tuple[str, ...] | dict[str, str] | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=tuple[str, ...] | dict[str, str])
    except msgspec.DecodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a JSON list of names nor an object of them") from None


def _names(text: str) -> frozenset[str]:
    """Names with commas between them."""
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def _yes_or_no(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError
    return text == "yes"
