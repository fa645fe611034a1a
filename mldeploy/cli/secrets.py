"""secrets: what an app's releases must know and nobody else may."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import Annotated

import typer

from mldeploy import console
from mldeploy.cli.release import App, Host, Json
from mldeploy.cli.where import app_to_be
from mldeploy.errors import UsageError
from mldeploy.host.executor import Secret

secrets = typer.Typer(name="secrets", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Its name: releases find it in the file /run/secrets/NAME.")]


@secrets.callback()
def group() -> None:
    """The secrets of an app on its host."""


@secrets.command("set")
def set_(
    name: Name,
    command: Annotated[
        str | None, typer.Option("--from", metavar="COMMAND", help="Take what this prints, instead of standard input.")
    ] = None,
    host: Host = None,
    app: App = None,
) -> None:
    """Set a secret, from standard input. The next release has it."""
    from mldeploy.release.secrets import set_secret

    value = _read(command)
    with app_to_be(host, app) as (executor, folder):
        set_secret(executor, folder, name, value)
    console.step(f"set {name} of {folder.app}", "the next release has it")


@secrets.command("list")
def list_(host: Host = None, app: App = None, json: Json = False) -> None:
    """List the names of the secrets."""
    from mldeploy.release.secrets import list_secrets

    with app_to_be(host, app) as (executor, folder):
        names = list_secrets(executor, folder)
    if json:
        console.emit_json(names)
        return
    for name in names:
        console.out.print(name, markup=False, highlight=False)


@secrets.command()
def unset(name: Name, host: Host = None, app: App = None) -> None:
    """Remove a secret. The next release does not have it; those that have it keep it."""
    from mldeploy.release.secrets import unset_secret

    with app_to_be(host, app) as (executor, folder):
        unset_secret(executor, folder, name)
    console.step(f"removed {name} of {folder.app}", "the next release does not have it")


def _read(command: str | None) -> Secret:
    """The value, without the newline that ends it."""
    try:
        value = _text(command).removesuffix("\n")
    except UnicodeDecodeError as failure:
        # Its message would show a part of the secret.
        raise UsageError(
            "the secret is not text",
            cause="it cannot be read as UTF-8",
            remedy="Set it in Base64, say, and let the model's code decode it.",
        ) from failure
    if not value:
        raise UsageError("the secret is empty", remedy="Give it on standard input, or with --from COMMAND.")
    return Secret(value)


def _text(command: str | None) -> str:
    if command is None:
        return str(typer.prompt("Secret", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read())
    try:
        done = subprocess.run(shlex.split(command), stdout=subprocess.PIPE, text=True, check=False)
    except UnicodeDecodeError:  # a ValueError too, but of what was printed
        raise
    except (OSError, ValueError) as failure:
        raise UsageError("the command for the secret cannot be run", cause=str(failure)) from failure
    if done.returncode != 0:
        raise UsageError("the command for the secret failed", cause=f"its exit code is {done.returncode}")
    return done.stdout
