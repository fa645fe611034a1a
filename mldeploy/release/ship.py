"""Ship: a bundle's image, by digest, to one host, and the switch to it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError
from mldeploy.host.commands import caddy, files
from mldeploy.host.facts import gather
from mldeploy.host.layout import SITES
from mldeploy.host.setup import caddy_address, network_of, setup_steps
from mldeploy.host.ssh import connect
from mldeploy.image.build import git_commit
from mldeploy.plan import Report, Step, execute
from mldeploy.release.delivery import delivery_of
from mldeploy.release.ledger import ReleaseRecord
from mldeploy.release.lock import hold
from mldeploy.release.operation import Operation
from mldeploy.release.outcome import Outcome, outcome_of
from mldeploy.release.preflight import clock_warning, require_docker, require_room, torn_warning
from mldeploy.release.reconcile import settle
from mldeploy.release.retention import clean
from mldeploy.release.settings import Settings, settings_for, write_settings
from mldeploy.release.start import remove, start_new
from mldeploy.release.state import AppState, read_state, slots_json
from mldeploy.release.switch import finish_steps, switch_steps

if TYPE_CHECKING:
    from mldeploy.bundle import Bundle
    from mldeploy.config import Config
    from mldeploy.host.executor import Executor
    from mldeploy.host.facts import Facts
    from mldeploy.release.delivery import Delivery

EVERY_ADDRESS = ":80"


def ship(bundle: Bundle, host: str, config: Config, *, watch_seconds: float, report: Report) -> Outcome:
    """Build and push the bundle's image, prepare the host if it is bare, and switch its traffic to the new release.

    Raises MldeployError when it fails; what served before then serves, and the ledger says why.
    """
    begun = time.monotonic()
    app = config.app.name or bundle.manifest.name
    with connect(host, config) as ssh:
        facts = gather(ssh)
        require_docker(host, facts)
        require_room(host, facts)
        delivery = delivery_of(bundle, config, facts.architecture)
        published = execute(delivery.steps(), report)
        with hold(ssh, f"shipping {app} {bundle.manifest.version}") as executor:
            # Another laptop may have prepared the host since.
            facts = gather(executor)
            prepared = execute(setup_steps(executor, facts), report)
            state = settle(executor, app, network_of(facts), report).state
            image = delivery.reference(executor)
            op = _operation(executor, state, facts, bundle, image, watch_seconds, begun)
            steps = _steps(op, state, settings_for(config.app, image), delivery)
            switched = execute(steps, report, final=_final_steps(op, state, facts))
    done = [*published.done, *prepared.done, *switched.done]
    return outcome_of(op, done, [*switched.complaints, *torn_warning(state.history), *clock_warning(host, facts)])


def plan_ship(bundle: Bundle, host: str, config: Config, *, watch_seconds: float) -> list[Step]:
    """The steps that `ship` would carry out now. Nothing is changed, and no lock is taken."""
    with connect(host, config) as ssh:
        facts = gather(ssh)
        require_room(host, facts)
        delivery = delivery_of(bundle, config, facts.architecture)
        state = read_state(ssh, config.app.name or bundle.manifest.name, network_of(facts))
        image = delivery.reference(ssh)
        op = _operation(ssh, state, facts, bundle, image, watch_seconds, time.monotonic())
        steps = _steps(op, state, settings_for(config.app, image), delivery)
        return [*delivery.steps(), *setup_steps(ssh, facts), *steps, *_final_steps(op, state, facts)]


def _operation(
    executor: Executor,
    state: AppState,
    facts: Facts,
    bundle: Bundle,
    image: str,
    watch_seconds: float,
    begun: float,
) -> Operation:
    manifest = bundle.manifest
    return Operation(
        executor=executor,
        folder=state.folder,
        number=state.history.next_operation,
        action="ship",
        release=state.history.next_release,
        previous=state.history.serving,
        record=ReleaseRecord(
            version=manifest.version,
            bundle_id=manifest.bundle_id,
            image=image,
            git_commit=git_commit(bundle.path),
            max_error=manifest.proof.max_error,
        ),
        caddy_address=caddy_address(network_of(facts)),
        watch_seconds=watch_seconds,
        begun=begun,
    )


def _steps(op: Operation, state: AppState, settings: Settings, delivery: Delivery) -> list[Step]:
    slot = state.free_slot()

    def start() -> None:
        write_settings(op.executor, op.folder, op.release, settings)
        start_new(op, slot, settings)

    steps = [
        Step("pull the image by its digest", lambda: delivery.fetch(op.executor)),
        Step(
            f"start {op.container} in the {state.slots.name_of(slot)} slot, out of rotation",
            start,
            lambda _: remove(op.executor, op.container),
        ),
    ]
    return [_prepare_app(op, state), *switch_steps(op, steps)]


def _final_steps(op: Operation, state: AppState, facts: Facts) -> list[Step]:
    def clean_up() -> None:
        clean(op.executor, read_state(op.executor, op.folder.app, network_of(facts)))

    return [*finish_steps(op, state), Step("remove what no rollback needs", clean_up)]


def _prepare_app(op: Operation, state: AppState) -> Step:
    """Folders, slots and site of the app.

    Caddy is told each time, for an earlier command may have been cut off before it was; it reloads only what
    has changed, so a release of an app that is there breaks no connection.
    """
    site = caddy.site(EVERY_ADDRESS, (state.slots.blue, state.slots.green))

    def prepare() -> str:
        folder = op.folder
        op.executor.run(files.make_folders(folder.rotation, f"{folder.path}/settings"))
        op.executor.run(files.write(folder.slots), stdin=slots_json(state.slots))
        known = op.executor.run(files.read(folder.site)).stdout == site.strip()
        if not known:
            _require_alone(op.executor, folder.app)
            op.executor.run(files.write(folder.site), stdin=site)
        op.executor.run(caddy.reload())
        return "as it was" if known else f"Caddy serves it at {EVERY_ADDRESS}"

    return Step(f"folders, slots and site of {op.folder.app}", prepare)


def _require_alone(executor: Executor, app: str) -> None:
    others = [name for name in executor.run(files.list_folder(SITES)).stdout.split() if name != f"{app}.caddy"]
    if others:
        raise MldeployError(
            f"{executor.name} already serves another app",
            cause=f"{', '.join(name.removesuffix('.caddy') for name in others)} answers at every address of it",
            remedy="Ship this app to another host.",
        )
