"""Rollback: the kept container of an earlier release serves again, with its own settings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError, UsageError
from mldeploy.host.facts import gather
from mldeploy.host.names import url_of
from mldeploy.host.setup import caddy_address, network_of, setup_steps
from mldeploy.host.site import read_site
from mldeploy.host.ssh import connect
from mldeploy.plan import Report, Step, execute
from mldeploy.release.lock import hold
from mldeploy.release.operation import Operation
from mldeploy.release.outcome import Outcome, outcome_of
from mldeploy.release.preflight import require_docker, require_room, torn_warning
from mldeploy.release.reconcile import Settled, settle
from mldeploy.release.secrets import bring_back_secrets, changed_secrets, give_secrets, keep_secrets
from mldeploy.release.settings import read_settings
from mldeploy.release.start import have_image, remove, start_kept, start_new, stop
from mldeploy.release.state import apps_on
from mldeploy.release.switch import finish_steps, switch_steps
from mldeploy.release.watch import Watch

if TYPE_CHECKING:
    from mldeploy.config import Config
    from mldeploy.host.executor import Executor
    from mldeploy.release.companions import Companions
    from mldeploy.release.ledger import History
    from mldeploy.release.settings import Settings
    from mldeploy.release.state import AppState


def rollback(
    release: str | None,
    host: str,
    config: Config,
    *,
    app: str | None,
    watch_seconds: float | None,
    report: Report,
    current_secrets: bool = False,
    companions: Companions | None = None,
) -> Outcome:
    """Switch back to `release`, by default the one that served before and was not itself rolled back from.

    It has the secrets it was shipped with, unless `current_secrets` gives it today's. With `companions` the host
    switches when they do, or not at all.

    Raises UsageError when there is none, or it cannot be chosen; MldeployError when it fails, and then what
    served before serves.
    """
    begun = time.monotonic()
    with connect(host, config) as ssh:
        facts = gather(ssh)
        require_docker(host, facts)
        require_room(host, facts)
        app = choose_app(ssh, app or config.app.name)
        with hold(ssh, f"rolling back {app}") as executor:
            if facts.caddy != "running":
                execute(setup_steps(executor, facts), report)
            settled = settle(executor, app, network_of(facts), report)
            if already := _already_done(settled, release):
                if companions:
                    companions.proven()
                    companions.stood()
                url = url_of(read_site(executor, settled.state.folder), host, config)
                return _settled_outcome(host, settled.state, url, already, time.monotonic() - begun)
            state = settled.state
            target = choose_target(state.history, release)
            settings = read_settings(executor, state.folder, target)
            op = Operation(
                executor=executor,
                folder=state.folder,
                number=state.history.next_operation,
                action="rollback",
                release=target,
                previous=state.history.serving,
                record=state.history.releases[target],
                proxy=caddy_address(network_of(facts)),
                watch=Watch.of(config, watch_seconds),
                begun=begun,
                companions=companions,
                ready_seconds=settings.ready_seconds,
            )
            site = read_site(executor, op.folder)
            changed = changed_secrets(executor, op.folder, target)
            renew = [_renew_secrets(op)] if changed and current_secrets else []
            steps = switch_steps(op, site, [*renew, _start_step(op, state, settings)])
            switched = execute(steps, report, final=finish_steps(op, state))
            warnings = [*switched.complaints, *torn_warning(state.history)]
            if changed and not current_secrets:
                warnings.append(
                    f"{target} keeps the secrets it was shipped with; changed since: {', '.join(changed)} "
                    "(--current-secrets takes today's)"
                )
            if settings.public:
                warnings.append(f"{target} is public: whoever reaches it may ask, without a key")
    return outcome_of(op, switched.done, url_of(site, host, config), warnings)


def _already_done(settled: Settled, wanted: str | None) -> str | None:
    """Why bringing an interrupted operation to its end was all that was meant, or None where it was not.

    A person who repeats a rollback that was cut off, or rolls back a ship that was, does not mean one further.
    """
    ended, history = settled.ended, settled.state.history
    if ended is None or history.serving is None:
        return None
    if wanted not in (None, history.serving, history.releases[history.serving].version):
        return None
    if ended.action == "rollback" and history.serving == ended.release:
        return f"the rollback to {ended.release} had been cut off after its switch, and is finished now"
    if ended.action == "ship" and history.serving != ended.release:
        return f"the ship of {ended.release} had been cut off, and is undone now"
    return None


def _settled_outcome(host: str, state: AppState, url: str, why: str, seconds: float) -> Outcome:
    history = state.history
    serving = str(history.serving)
    return Outcome(
        host=host,
        app=state.folder.app,
        action="rollback",
        release=serving,
        version=history.releases[serving].version,
        previous=None,
        url=url,
        seconds_to_switch=round(seconds, 3),
        steps=[],
        warnings=[f"nothing more was rolled back: {why}"],
    )


def choose_app(executor: Executor, wanted: str | None) -> str:
    """The app named, else the only one on the host."""
    apps = apps_on(executor)
    if wanted in apps:
        return str(wanted)
    if wanted is None and len(apps) == 1:
        return apps[0]
    raise UsageError(
        f"there is no app {wanted!r} on {executor.name}" if wanted else "it is not clear which app is meant",
        cause=f"{executor.name} has {', '.join(apps) or 'no app yet'}",
        remedy="Name one with --app." if apps else f"Ship one first: mldeploy ship --host {executor.name}",
    )


def choose_target(history: History, wanted: str | None) -> str:
    """The release to roll back to; `wanted` is a release such as r3, or a version that names just one."""
    if wanted is None:
        if len(history.served) < 2:
            raise UsageError(
                "there is nothing to roll back to",
                cause=f"{history.serving} is the first that served" if history.serving else "nothing was shipped yet",
                remedy="`mldeploy releases` lists what there is.",
            )
        return history.served[-2]
    named = [name for name, record in history.releases.items() if wanted in (name, record.version)]
    succeeded = [name for name in named if history.state_of(name) not in ("failed", "interrupted")]
    if len(succeeded) != 1 or succeeded[0] == history.serving:
        raise UsageError(
            f"cannot roll back to {wanted}",
            cause=_why_not(wanted, named, succeeded, history.serving),
            remedy="`mldeploy releases` lists what there is.",
        )
    return succeeded[0]


def _why_not(wanted: str, named: list[str], succeeded: list[str], serving: str | None) -> str:
    if not named:
        return "the ledger knows no such release or version"
    if not succeeded:
        return f"{', '.join(named)} never served"
    if len(succeeded) > 1:
        return f"{', '.join(succeeded)} are all of version {wanted}: name one of them"
    return f"{serving} is what serves now"


def _renew_secrets(op: Operation) -> Step:
    def renew() -> None:
        keep_secrets(op.executor, op.folder, op.release)
        give_secrets(op.executor, op.folder, op.release)

    return Step(
        f"give {op.release} today's secrets",
        renew,
        lambda _: bring_back_secrets(op.executor, op.folder, op.release),
    )


def _start_step(op: Operation, state: AppState, settings: Settings) -> Step:
    slot = state.free_slot()
    where = f"in the {state.slots.name_of(slot)} slot, out of rotation"
    kept = state.container_of(op.release)
    if kept is None:
        return Step(
            f"create {op.container} anew {where}",
            lambda: _recreate(op, slot, settings),
            lambda _: remove(op.executor, op.container),
        )
    if kept.running:
        raise MldeployError(
            f"{op.release} is running already, out of what the ledger knows",
            cause=f"{kept.name} is {kept.state}; {op.previous} is what serves, says the ledger",
            remedy=f"Stop it on the host with `docker stop {kept.name}`, then roll back again.",
        )
    return Step(
        f"start the kept {op.container} {where}",
        lambda: start_kept(op, slot),
        lambda _: stop(op.executor, op.container),
    )


def _recreate(op: Operation, slot: str, settings: Settings) -> str:
    """For a container that somebody removed: the same image and settings give the same release."""
    have_image(op.executor, settings.image)
    start_new(op, slot, settings)
    return "its container was gone"
