"""host: prepare and look at a machine."""

from __future__ import annotations

from typing import Annotated

import typer

from mldeploy import console
from mldeploy.config import load_config

host = typer.Typer(name="host", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A host of mldeploy.toml, or an alias of ~/.ssh/config.")]


@host.callback()
def group() -> None:
    """Machines: prepare them, check them."""


@host.command()
def ca(name: Name) -> None:
    """Print the root certificate of the host's own authority, for clients of apps without a public domain."""
    from mldeploy.host.edge import read_root
    from mldeploy.host.ssh import connect

    with connect(name, load_config()) as ssh:
        console.out.print(read_root(ssh), end="", highlight=False)
