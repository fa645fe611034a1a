"""status, logs: look at a host without changing it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from mldeploy import console
from mldeploy.cli.release import App, Host, Json
from mldeploy.config import load_config

if TYPE_CHECKING:
    from mldeploy.release.status import AppStatus, HostStatus, SlotStatus


def status(host: Host = None, json: Json = False) -> None:
    """Say what serves on a host, and how it is."""
    from mldeploy.host.names import choose_host
    from mldeploy.host.ssh import connect
    from mldeploy.release.status import read_status

    config = load_config()
    with connect(choose_host(config, host), config) as ssh:
        found = read_status(ssh)
    if json:
        console.emit_json(found.to_json())
    else:
        _show(found)


def logs(
    release: Annotated[
        str | None, typer.Argument(help="A release such as r3; by default the one that serves.", show_default=False)
    ] = None,
    host: Host = None,
    app: App = None,
    since: Annotated[str | None, typer.Option(help="Only lines since then: 10m, 2h, or a time.")] = None,
    tail: Annotated[int | None, typer.Option("--tail", "-n", min=0, help="Only the last lines.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come, until Ctrl-C.")] = False,
) -> None:
    """Print the log lines of a release: one JSON object a line."""
    from mldeploy.host.names import choose_host
    from mldeploy.host.ssh import connect
    from mldeploy.release.logs import read_logs

    config = load_config()
    with connect(choose_host(config, host), config) as ssh:
        for chunk in read_logs(ssh, app or config.app.name, release, since=since, tail=tail, follow=follow):
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()


def _show(found: HostStatus) -> None:
    console.out.print(
        f"{found.host}: Docker {found.docker or 'is not installed'}, Caddy {found.caddy or 'is not there'}, "
        f"{found.disk_free / 1e9:.1f} GB of disk and {found.memory_free / 1e6:.0f} MB of memory free",
        highlight=False,
    )
    for app in found.apps:
        console.out.print(_headline(app), highlight=False)
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("slot", "release", "version", "container", "rotation", "ready", "in flight", "requests"):
            table.add_column(column, no_wrap=True)
        for slot in app.slots:
            table.add_row(*_cells(slot))
        console.out.print(table)


def _headline(app: AppStatus) -> str:
    serves = (
        f"{app.version} ({app.serving}) serves since {app.since:%Y-%m-%d %H:%M} UTC" if app.since else "nothing serves"
    )
    cut_off = f"; interrupted: {app.interrupted}" if app.interrupted else ""
    return f"\n{app.app}: {serves}{cut_off}"


def _cells(slot: SlotStatus) -> tuple[str, ...]:
    if slot.release is None:
        return (slot.slot, "[dim]empty[/]")
    return (
        slot.slot,
        slot.release,
        slot.version or "",
        slot.container or "",
        "in" if slot.in_rotation else "out",
        {True: "yes", False: "no", None: "?"}[slot.ready],
        "" if slot.in_flight is None else str(slot.in_flight),
        "" if slot.requests is None else str(slot.requests),
    )
