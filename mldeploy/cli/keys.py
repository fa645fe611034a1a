"""keys: who may ask an app."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from mldeploy import console
from mldeploy.cli.durations import duration
from mldeploy.cli.release import App, Host, Json
from mldeploy.cli.where import app_on_host
from mldeploy.errors import UsageError
from mldeploy.release.keys import Scope

keys = typer.Typer(name="keys", help="The API keys of an app, changed while it runs.", no_args_is_help=True)


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    rate: Annotated[float | None, typer.Option(min=0.001, help="Requests a second it may send.")] = None,
    expires: Annotated[
        float | None, typer.Option(parser=duration, metavar="TIME", help="How long it is good for, such as 90d.")
    ] = None,
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may ask for; default: predict.")] = None,
    host: Host = None,
    app: App = None,
    json: Json = False,
) -> None:
    """Make a key and show it, this once: the host keeps its hash alone."""
    from mldeploy.host.executor import reveal
    from mldeploy.release.keys import create_key

    ends = _ends(expires) if expires else None
    with app_on_host(host, app) as (executor, folder):
        plain = create_key(executor, folder, name, rate=rate, expires=ends, scopes=tuple(scope or [Scope.PREDICT]))
    if json:
        console.emit_json({"name": name, "key": reveal(plain), "expires": ends and ends.isoformat()})
        return
    console.step(f"made the key {name} of {folder.app}", "keep it, for it is shown this once")
    console.out.print(reveal(plain), highlight=False)


def _ends(seconds: float) -> datetime:
    try:
        return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    except OverflowError as failure:
        raise UsageError(
            "no calendar goes as far as this key is to last",
            cause=f"--expires is {seconds / 86400:g} days",
            remedy="Leave --expires out for a key that never ends.",
        ) from failure


@keys.command("list")
def list_keys(host: Host = None, app: App = None, json: Json = False) -> None:
    """List the keys; what they are is nowhere to be had."""
    from mldeploy.release.keys import read_keys

    with app_on_host(host, app) as (executor, folder):
        found = read_keys(executor, folder)
    if json:
        console.emit_json([key.model_dump(mode="json", exclude={"sha256"}) for key in found])
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("name", "id", "for", "rate", "made (UTC)", "expires (UTC)"):
        table.add_column(column, no_wrap=True)
    for key in found:
        table.add_row(
            key.name,
            key.id,
            ", ".join(key.scopes),
            f"{key.rate:g}/s" if key.rate else "",
            f"{key.created:%Y-%m-%d %H:%M}",
            f"{key.expires:%Y-%m-%d %H:%M}" if key.expires else "never",
        )
    console.out.print(table)


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The name or id of a key.")], host: Host = None, app: App = None
) -> None:
    """Revoke a key; within a second it opens nothing any more."""
    from mldeploy.release.keys import revoke_key

    with app_on_host(host, app) as (executor, folder):
        revoked = revoke_key(executor, folder, key)
    console.step(f"revoked the key {revoked.name} ({revoked.id}) of {folder.app}")
