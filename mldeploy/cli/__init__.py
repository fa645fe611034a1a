"""The commands: parse, call one function, render. No decisions live here.

Each command imports its verb when it runs: a verb takes heavy libraries along, for which no other command should wait.
"""

from __future__ import annotations

import sys

import typer

from mldeploy import __version__, console
from mldeploy.cli.host import host
from mldeploy.cli.inspect import inspect
from mldeploy.cli.keys import keys
from mldeploy.cli.loadtest import loadtest, loadtest_worker
from mldeploy.cli.look import logs, status
from mldeploy.cli.package import package
from mldeploy.cli.predictions import predictions
from mldeploy.cli.release import destroy, releases, rollback, ship
from mldeploy.cli.score import score
from mldeploy.cli.secrets import secrets
from mldeploy.cli.serve import serve
from mldeploy.errors import MldeployError

app = typer.Typer(
    name="mldeploy",
    help="From a fitted model to a proven, rollback-safe endpoint on one machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    package,
    ship,
    rollback,
    destroy,
    releases,
    status,
    logs,
    loadtest,
    loadtest_worker,
    serve,
    score,
    inspect,
):
    app.command()(command)
for group in (keys, secrets, predictions, host):
    app.add_typer(group, name=group.info.name)


def _version(wanted: bool) -> None:
    if wanted:
        console.out.print(f"mldeploy {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Options of every command."""


def main() -> None:
    """Run the command line; every failure ends in one message and its documented exit code."""
    try:
        app()
    except MldeployError as failure:
        console.error(failure)
        sys.exit(failure.exit_code)
