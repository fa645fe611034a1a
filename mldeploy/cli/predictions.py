"""predictions: what a host has logged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mldeploy import console
from mldeploy.cli.durations import duration
from mldeploy.cli.release import App, Host, Json
from mldeploy.cli.where import app_on_host

predictions = typer.Typer(name="predictions", no_args_is_help=True)


@predictions.callback()
def group() -> None:
    """The log of predictions that an app keeps on its host."""


@predictions.command()
def pull(
    since: Annotated[float, typer.Option(parser=duration, metavar="TIME", help="How far back, such as 7d.")] = "7d",  # type: ignore[assignment]  # the parser reads the default as well
    out: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("predictions"),
    host: Host = None,
    app: App = None,
    json: Json = False,
) -> None:
    """Fetch the logged predictions: JSON lines, a folder a release."""
    from mldeploy.release.predictions import pull_predictions

    with app_on_host(host, app) as (executor, folder):
        fetched = pull_predictions(executor, folder, since, out)
    if json:
        console.emit_json([str(path) for path in fetched])
        return
    console.step(f"{len(fetched)} files of {folder.app} are in {out}", f"{_size(fetched):.1f} MB")


def _size(paths: list[Path]) -> float:
    return sum(path.stat().st_size for path in paths) / 1e6
