"""host: prepare and look at a machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mldeploy import console
from mldeploy.cli.release import Json, report
from mldeploy.config import load_config
from mldeploy.errors import ExitCode, UsageError

host = typer.Typer(name="host", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A host of mldeploy.toml, or an alias of ~/.ssh/config.")]

Fingerprint = Annotated[
    str | None, typer.Option(metavar="SHA256:...", help="The fingerprint of its SSH key, for the first contact.")
]


@host.callback()
def group() -> None:
    """Machines: prepare them, check them."""


@host.command()
def setup(
    name: Name,
    fingerprint: Fingerprint = None,
    upgrade_caddy: Annotated[
        bool, typer.Option("--upgrade-caddy", help="Take today's Caddy, instead of the one recorded.")
    ] = False,
    json: Json = False,
) -> None:
    """Prepare a Debian or Ubuntu machine: Docker, Caddy, updates, a firewall, a user. A second run changes nothing."""
    from mldeploy.host.names import vouched
    from mldeploy.host.prepare import set_up
    from mldeploy.host.ssh import connect
    from mldeploy.release.lock import hold

    config = vouched(load_config(), name, fingerprint)
    with connect(name, config) as ssh, hold(ssh, "setting it up") as executor:
        done = set_up(executor, config, upgrade_caddy=upgrade_caddy, report=report)
    if json:
        console.emit_json([step.says for step in done])
    console.step(f"{name} is set up", f"{len(done)} steps" if done else "it was so already: nothing was changed")


@host.command()
def check(name: Name, fingerprint: Fingerprint = None, json: Json = False) -> None:
    """Say how a machine is, what is wrong with it, and what to do. Exit code 1 when something is."""
    from mldeploy.host.check import check_host
    from mldeploy.host.facts import gather
    from mldeploy.host.names import vouched
    from mldeploy.host.ssh import connect

    config = vouched(load_config(), name, fingerprint)
    with connect(name, config) as ssh:
        facts = gather(ssh)
        problems = check_host(ssh, facts, config)
    if json:
        console.emit_json({"facts": facts.to_json(), "problems": [asdict(problem) for problem in problems]})
    else:
        console.note(
            f"{name}: {facts.os}, {facts.architecture}, Docker {facts.docker or 'not there'}, Caddy "
            f"{facts.caddy or 'not there'}, {facts.disk_free / 1e9:.1f} GB of disk and "
            f"{facts.memory_free / 1e6:.0f} MB of memory free"
        )
    for problem in problems:
        console.warn(f"{problem.what}. {problem.remedy}")
    if problems:
        raise typer.Exit(ExitCode.FAILED)
    console.step(f"nothing is wrong with {name}")


@host.command("cloud-init")
def cloud_init(
    key: Annotated[
        list[Path] | None, typer.Option(help="A public key to let in; default: those in ~/.ssh.", show_default=False)
    ] = None,
) -> None:
    """Print user data for a new machine at a provider that speaks cloud-init."""
    from mldeploy.host.cloud_init import user_data

    files = key or sorted(Path("~/.ssh").expanduser().glob("id_*.pub"))
    if not files:
        raise UsageError("there is no public key to let in", remedy="Make one with `ssh-keygen`, or name one: --key.")
    try:
        keys = [path.read_text(encoding="utf-8").strip() for path in files]
    except OSError as failure:
        raise UsageError("a public key cannot be read", cause=str(failure)) from failure
    print(user_data(keys), end="")


@host.command()
def ca(name: Name) -> None:
    """Print the root certificate of the host's own authority, for clients of apps without a public domain."""
    from mldeploy.host.edge import read_root
    from mldeploy.host.ssh import connect

    with connect(name, load_config()) as ssh:
        console.out.print(read_root(ssh), end="", highlight=False)
