"""`mldeploy serve`: the server on this machine, without Docker."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mldeploy import console
from mldeploy.bundle import newest_bundle, read_bundle
from mldeploy.config import load_config
from mldeploy.errors import MldeployError

if TYPE_CHECKING:
    from mldeploy.bundle import Bundle


def serve(
    bundle: Annotated[Path | None, typer.Argument(help="A bundle; default: the newest in build/.")] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 8000,
    host: Annotated[str, typer.Option(help="At which address; 0.0.0.0 lets others in.")] = "127.0.0.1",
) -> None:
    """Serve a bundle on this machine exactly as the image would, until Ctrl-C."""
    from mldeploy.image.serve import base_url, serving

    config = load_config()
    chosen = read_bundle(bundle or newest_bundle(config.build_dir))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with serving(chosen, host, port) as process:
            console.step(f"{chosen.manifest.name} {chosen.manifest.version} serves at {base_url(host, port)}")
            console.note(_curl(chosen, base_url(host, port)))
            console.note("Ctrl-C ends it")
            code = process.wait()
    except KeyboardInterrupt:
        console.step("ended")
        return
    raise MldeployError("the server ended by itself", cause=f"exit code {code}; see above")


def _curl(bundle: Bundle, url: str) -> str:
    """A line that asks for the prediction of a golden row."""
    body = json.dumps({"instances": bundle.golden.instances[:1]}, ensure_ascii=False)
    return f"curl -s {url}/predict -H 'Content-Type: application/json' -d {shlex.quote(body)}"
