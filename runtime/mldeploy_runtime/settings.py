"""What the process is started with: flags, whose defaults are the environment's."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """`rotation` is the folder whose file named `release` means: in rotation; None means always.

    `control` is the path of the control socket; None means no socket. `body_seconds` is how long a client may take
    to send a body.
    """

    bundle: Path
    host: str = "0.0.0.0"  # noqa: S104 - inside a container, whose network is its own
    port: int = 8080
    control: Path | None = None
    release: str = ""
    rotation: Path | None = None
    max_body_bytes: int = 16 * 1024 * 1024
    max_rows: int = 10_000
    body_seconds: float = 10.0


def read_settings(arguments: list[str] | None = None) -> Settings:
    """Parse the command line; what it does not say comes from the environment."""
    environment = os.environ.get
    parser = argparse.ArgumentParser(prog="mldeploy_runtime", description="Serve one bundle over HTTP.")
    parser.add_argument("--bundle", type=Path, default=environment("MLDEPLOY_BUNDLE", "/bundle"))
    parser.add_argument("--host", default=environment("MLDEPLOY_HOST", Settings.host))
    parser.add_argument("--port", type=int, default=environment("MLDEPLOY_PORT", Settings.port))
    parser.add_argument("--control", default=environment("MLDEPLOY_CONTROL", "/run/mldeploy/control.sock"))
    parser.add_argument("--release", default=environment("MLDEPLOY_RELEASE", ""))
    parser.add_argument("--rotation", default=environment("MLDEPLOY_ROTATION", ""))
    parser.add_argument(
        "--max-body-bytes", type=int, default=environment("MLDEPLOY_MAX_BODY_BYTES", Settings.max_body_bytes)
    )
    parser.add_argument("--max-rows", type=int, default=environment("MLDEPLOY_MAX_ROWS", Settings.max_rows))
    parser.add_argument(
        "--body-seconds", type=float, default=environment("MLDEPLOY_BODY_SECONDS", Settings.body_seconds)
    )
    given = vars(parser.parse_args(arguments))
    given["control"] = Path(given["control"]) if given["control"] else None
    given["rotation"] = Path(given["rotation"]) if given["rotation"] else None
    return Settings(**given)
