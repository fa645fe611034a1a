"""What the process is started with: flags, whose defaults are the environment's."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mldeploy_runtime.batching import Limits

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Settings:
    """`rotation` is the folder whose file named `release` means: in rotation; None means always.

    `control` is the path of the control socket; None means no socket. `receive_seconds` is how long a client may
    take to send the head of a request, and then its body.
    """

    bundle: Path
    host: str = "0.0.0.0"  # noqa: S104 - inside a container, whose network is its own
    port: int = 8080
    control: Path | None = None
    release: str = ""
    rotation: Path | None = None
    max_body_bytes: int = 16 * 1024 * 1024
    max_rows: int = 10_000
    receive_seconds: float = 10.0
    log_requests: bool = True
    limits: Limits = field(default_factory=Limits)


def read_settings(arguments: list[str] | None = None) -> Settings:
    """Parse the command line; what it does not say comes from the environment."""
    parser = argparse.ArgumentParser(prog="mldeploy_runtime", description="Serve one bundle over HTTP.")

    def option(name: str, kind: Callable[[str], Any], default: Any) -> None:
        variable = f"MLDEPLOY_{name.upper().replace('-', '_')}"
        parser.add_argument(f"--{name}", type=kind, default=os.environ.get(variable, default), help=f"or {variable}")

    option("bundle", Path, "/bundle")
    option("host", str, Settings.host)
    option("port", int, Settings.port)
    option("control", _path_or_none, "/run/mldeploy/control.sock")
    option("release", str, Settings.release)
    option("rotation", _path_or_none, None)
    option("max-body-bytes", int, Settings.max_body_bytes)
    option("max-rows", int, Settings.max_rows)
    option("receive-seconds", float, Settings.receive_seconds)
    option("log-requests", _yes_or_no, "yes")
    option("inline-seconds", float, Limits.inline_seconds)
    option("queue-requests", int, Limits.queue_requests)
    option("queue-seconds", float, Limits.queue_seconds)
    option("deadline-seconds", float, Limits.deadline_seconds)
    given = vars(parser.parse_args(arguments))
    limits = {
        name: given.pop(name) for name in ("inline_seconds", "queue_requests", "queue_seconds", "deadline_seconds")
    }
    return Settings(**given, limits=Limits(**limits))


def _path_or_none(text: str) -> Path | None:
    return Path(text) if text else None


def _yes_or_no(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError
    return text == "yes"
