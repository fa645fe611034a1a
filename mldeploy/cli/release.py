"""ship, rollback, releases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from mldeploy import console
from mldeploy.bundle import newest_bundle, read_bundle
from mldeploy.config import load_config
from mldeploy.errors import UsageError

if TYPE_CHECKING:
    from mldeploy.plan import Done, Report
    from mldeploy.release.companions import OnHosts
    from mldeploy.release.ledger import LoadtestRecord
    from mldeploy.release.outcome import Outcome
    from mldeploy.release.targets import Target

Host = Annotated[
    str | None,
    typer.Option("--host", help="A host of mldeploy.toml, or an alias of ~/.ssh/config.", show_default=False),
]
Hosts = Annotated[
    list[str] | None,
    typer.Option(
        "--host",
        help="A host of mldeploy.toml, or an alias of ~/.ssh/config. Several switch together, or none of them.",
        show_default=False,
    ),
]
KeepGoing = Annotated[
    bool, typer.Option("--keep-going", help="Let each of several hosts act for itself, whatever becomes of the others.")
]
App = Annotated[str | None, typer.Option("--app", help="The app, where the host has several.", show_default=False)]
Watch = Annotated[
    float | None, typer.Option("--watch", min=0, help="Seconds to watch the new release, the old one warm [30].")
]
Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]


def ship(
    bundle: Annotated[
        Path | None, typer.Argument(help="The bundle; by default the one packaged last.", show_default=False)
    ] = None,
    hosts: Hosts = None,
    keep_going: KeepGoing = False,
    watch: Watch = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the steps; change nothing.")] = False,
    require_loadtest: Annotated[
        bool, typer.Option("--require-loadtest", help="Only what met its target on the staging host of mldeploy.toml.")
    ] = False,
    json: Json = False,
) -> None:
    """Ship a bundle to hosts and switch their traffic to it, without one lost request."""
    from mldeploy.host.names import choose_host
    from mldeploy.release.companions import on_hosts
    from mldeploy.release.loadtests import require_passed
    from mldeploy.release.ship import plan_ship
    from mldeploy.release.ship import ship as ship_bundle

    config = load_config()
    names = hosts or [choose_host(config, None)]
    chosen = read_bundle(bundle or newest_bundle(config.build_dir))
    if require_loadtest:
        require_passed(chosen.manifest, config)
    console.note(f"shipping {chosen.manifest.name} {chosen.manifest.version} ({chosen.path}) to {', '.join(names)}")
    if dry_run:
        for name in names:
            console.note(name)
            for number, step in enumerate(plan_ship(chosen, name, config, watch_seconds=watch), start=1):
                console.out.print(f"{number:2}. {step.says}", markup=False)
        return
    show_all(
        on_hosts(
            names,
            lambda name, companions: ship_bundle(
                chosen, name, config, watch_seconds=watch, report=reporter(name, names), companions=companions
            ),
            keep_going=keep_going,
        ),
        json=json,
    )


def rollback(
    release: Annotated[
        str | None,
        typer.Argument(help="A release such as r3, or its version; by default the one before.", show_default=False),
    ] = None,
    hosts: Hosts = None,
    keep_going: KeepGoing = False,
    app: App = None,
    watch: Watch = None,
    current_secrets: Annotated[
        bool, typer.Option("--current-secrets", help="Give it today's secrets, not those it was shipped with.")
    ] = False,
    only_list: Annotated[bool, typer.Option("--list", help="List what can be chosen; change nothing.")] = False,
    json: Json = False,
) -> None:
    """Let the release that served before serve again, with its own settings."""
    from mldeploy.host.names import choose_host
    from mldeploy.host.ssh import connect
    from mldeploy.release.companions import on_hosts
    from mldeploy.release.rollback import rollback as roll_back
    from mldeploy.release.targets import list_targets

    config = load_config()
    names = hosts or [choose_host(config, None)]
    if only_list:
        with connect(names[0], config) as ssh:
            name, targets = list_targets(ssh, app or config.app.name)
        _show_targets(name, targets, json=json)
        return
    show_all(
        on_hosts(
            names,
            lambda name, companions: roll_back(
                release,
                name,
                config,
                app=app,
                watch_seconds=watch,
                report=reporter(name, names),
                current_secrets=current_secrets,
                companions=companions,
            ),
            keep_going=keep_going,
        ),
        json=json,
    )


def destroy(
    app: Annotated[str, typer.Argument(help="The app to destroy.")],
    host: Host = None,
    with_ledger: Annotated[bool, typer.Option("--with-ledger", help="Remove the ledger, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove an app from a host: its releases, keys, secrets and predictions. Its ledger is kept."""
    from mldeploy.host.names import choose_host
    from mldeploy.release.destroy import destroy as destroy_app

    config = load_config()
    host = choose_host(config, host)
    if not yes and not console.agrees(f"Destroy {app} on {host}, with its keys, secrets and logged predictions?"):
        raise UsageError(f"{app} was not destroyed", cause="nobody agreed", remedy="Say --yes where nobody can.")
    destroy_app(app, host, config, with_ledger=with_ledger, report=report)
    console.step(f"{app} is gone from {host}")


def releases(host: Host = None, app: App = None, json: Json = False) -> None:
    """List an app's releases, from the ledger on the host."""
    from mldeploy.host.names import choose_host
    from mldeploy.host.ssh import connect
    from mldeploy.release.releases import list_releases

    config = load_config()
    with connect(choose_host(config, host), config) as ssh:
        name, rows, torn = list_releases(ssh, app or config.app.name)
    if torn:
        console.warn("a line of the ledger was torn by a power cut or a full disk; it was passed over")
    if json:
        console.emit_json([row.to_json() for row in rows])
        return
    table = Table(title=f"{name}", title_justify="left", box=None, pad_edge=False, header_style="dim")
    for column in ("release", "version", "bundle", "parity"):
        table.add_column(column, no_wrap=True)
    for column in ("state", "load test, p99", "shipped (UTC)", "by"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(
            row.release,
            row.version,
            row.bundle_id[:8],
            f"{row.max_error:.1e}",
            f"[green]{row.state}[/]" if row.state == "serving" else row.state,
            _tested(row.loadtest),
            f"{row.shipped_at:%Y-%m-%d %H:%M}",
            row.by,
        )
    console.out.print(table)


def _show_targets(app: str, targets: list[Target], *, json: bool) -> None:
    if json:
        console.emit_json([target.to_json() for target in targets])
        return
    table = Table(title=app, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for column in ("release", "version", "commit", "parity"):
        table.add_column(column, no_wrap=True)
    for column in ("rollback", "load test, p99", "shipped (UTC)", "by"):
        table.add_column(column, overflow="fold")
    for target in targets:
        row = target.row
        able = "[green]the default[/]" if target.is_default else "[green]can be named[/]"
        table.add_row(
            row.release,
            row.version,
            (row.git_commit or "")[:8],
            f"{row.max_error:.1e}",
            f"[dim]{target.refusal}[/]" if target.refusal else able,
            _tested(row.loadtest),
            f"{row.shipped_at:%Y-%m-%d %H:%M}",
            row.by,
        )
    console.out.print(table)


def _tested(loadtest: LoadtestRecord | None) -> str:
    if loadtest is None:
        return "[dim]none[/]"
    verdict = "[green]met[/]" if loadtest.met else "[red]missed[/]"
    return f"{loadtest.p99_s * 1000:.1f} ms at {loadtest.asked_rate:g}/s, {verdict}"


def report(done: Done) -> None:
    detail = ", ".join(part for part in (done.detail, f"{done.seconds:.1f} s" if done.seconds >= 0.1 else "") if part)
    console.step(done.says, detail)


def reporter(host: str, hosts: list[str]) -> Report:
    """What shows a host's steps; where there are several hosts, with its name."""
    return report if len(hosts) == 1 else lambda done: report(replace(done, says=f"{host}: {done.says}"))


def show_all(found: OnHosts, *, json: bool) -> None:
    """What became of each host; raises what went wrong, after all that went well was shown."""
    outcomes = list(found.outcomes.values())
    for outcome in outcomes:
        _show(outcome, json=json)
    if json and outcomes:
        several = len(outcomes) + len(found.failures) > 1
        console.emit_json([outcome.to_json() for outcome in outcomes] if several else outcomes[0].to_json())
    found.raise_failures()


def _show(outcome: Outcome, *, json: bool) -> None:
    for warning in outcome.warnings:
        console.warn(warning)
    before = f" in place of {outcome.previous}" if outcome.previous else ""
    console.step(
        f"{outcome.app} {outcome.version} ({outcome.release}) serves on {outcome.host}{before}",
        f"{outcome.seconds_to_switch:.1f} s to the switch",
    )
    console.note(f"it answers at {outcome.url}")
    if outcome.key and not json:
        console.note("its first API key follows; keep it, for it is shown this once")
        console.out.print(outcome.key, highlight=False)
