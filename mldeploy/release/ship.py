"""Ship: a bundle's image, by digest, to one host, and the switch to it."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mldeploy.host.commands import files
from mldeploy.host.edge import bring_back_site, put_site
from mldeploy.host.executor import reveal
from mldeploy.host.facts import gather
from mldeploy.host.names import public_address, url_of
from mldeploy.host.setup import caddy_address, network_of, setup_steps
from mldeploy.host.site import Site, read_sites, require_free, site_for
from mldeploy.host.ssh import connect
from mldeploy.image.build import git_commit
from mldeploy.image.store import stored_model
from mldeploy.plan import Report, Step, execute
from mldeploy.release.delivery import delivery_of
from mldeploy.release.keys import FIRST_KEY, create_key, has_keys
from mldeploy.release.ledger import ReleaseRecord
from mldeploy.release.lock import hold
from mldeploy.release.operation import Operation
from mldeploy.release.outcome import Outcome, outcome_of
from mldeploy.release.preflight import clock_warning, require_docker, require_room, torn_warning
from mldeploy.release.reconcile import foresee, settle
from mldeploy.release.retention import clean
from mldeploy.release.secrets import give_secrets
from mldeploy.release.settings import Settings, settings_for, write_settings
from mldeploy.release.start import discard, start_new
from mldeploy.release.state import AppState, read_state, slots_json
from mldeploy.release.switch import finish_steps, switch_steps
from mldeploy.release.watch import Watch

if TYPE_CHECKING:
    from mldeploy.bundle import Bundle
    from mldeploy.config import Config
    from mldeploy.host.executor import Executor
    from mldeploy.host.facts import Facts
    from mldeploy.host.layout import AppFolder
    from mldeploy.release.companions import Companions
    from mldeploy.release.delivery import Delivery

PREDICTION_LOG_NOTE = (
    "every prediction is logged on the host with its inputs, for 30 days; they may hold personal data: "
    "`prediction_log = false` under [app] turns it off, [app.predictions] leaves fields out"
)


def ship(
    bundle: Bundle,
    host: str,
    config: Config,
    *,
    watch_seconds: float | None,
    report: Report,
    companions: Companions | None = None,
) -> Outcome:
    """Build and push the bundle's image, prepare the host if it is bare, and switch its traffic to the new release.

    With `companions` it switches when they do, or not at all.

    Raises MldeployError when it fails; what served before then serves, and the ledger says why.
    """
    begun = time.monotonic()
    app = config.app.name or bundle.manifest.name
    with connect(host, config) as ssh:
        facts = gather(ssh)
        require_docker(host, facts)
        require_room(host, facts)
        delivery = delivery_of(bundle, config, facts.architecture)
        stored = stored_model(bundle, config.model)
        with companions.publishing if companions else nullcontext():
            published = execute(delivery.steps(), report)
        with hold(ssh, f"shipping {app} {bundle.manifest.version}") as executor:
            # Another laptop may have prepared the host since.
            facts = gather(executor)
            prepared = execute(setup_steps(executor, facts), report)
            state = settle(executor, app, network_of(facts), report).state
            image = delivery.reference(executor)
            watch = Watch.of(config, watch_seconds)
            settings = settings_for(config.app, image, stored)
            op = replace(_operation(executor, state, facts, bundle, settings, watch, begun), companions=companions)
            site = _site(config, host, state)
            first_key = FirstKey(executor, op.folder, settings)
            steps = _steps(op, state, settings, site, delivery)
            switched = execute(steps, report, final=_final_steps(op, state, facts, first_key))
    done = [*published.done, *prepared.done, *switched.done]
    warnings = [*switched.complaints, *torn_warning(state.history), *clock_warning(host, facts)]
    if settings.public:
        warnings.append(f"{op.folder.app} is public: whoever reaches it may ask, without a key")
    if op.previous is None and settings.prediction_log:
        warnings.append(PREDICTION_LOG_NOTE)
    return replace(outcome_of(op, done, url_of(site, host, config), warnings), key=first_key.plain)


def plan_ship(bundle: Bundle, host: str, config: Config, *, watch_seconds: float | None) -> list[Step]:
    """The steps that `ship` would carry out now. Nothing is changed, and no lock is taken."""
    with connect(host, config) as ssh:
        facts = gather(ssh)
        require_room(host, facts)
        delivery = delivery_of(bundle, config, facts.architecture)
        stored = stored_model(bundle, config.model)
        found = read_state(ssh, config.app.name or bundle.manifest.name, network_of(facts))
        state = foresee(ssh, found)
        image = delivery.reference(ssh)
        watch = Watch.of(config, watch_seconds)
        settings = settings_for(config.app, image, stored)
        op = _operation(ssh, state, facts, bundle, settings, watch, time.monotonic())
        steps = _steps(op, state, settings, _site(config, host, state), delivery)
        final = _final_steps(op, state, facts, FirstKey(ssh, op.folder, settings))
        return [*delivery.steps(), *setup_steps(ssh, facts), *_settling(found), *steps, *final]


def _settling(found: AppState) -> list[Step]:
    """What `settle` will do, as a step of a plan."""
    cut_off = found.history.interrupted
    if cut_off is None:
        return []
    return [Step(f"end the {cut_off.action} of {cut_off.release} that {cut_off.by} left interrupted", lambda: None)]


@dataclass
class FirstKey:
    """The first API key of an app: nobody could ask it without one. `plain` is what to show, once it is made."""

    executor: Executor
    folder: AppFolder
    settings: Settings
    plain: str | None = None

    def steps(self) -> list[Step]:
        if self.settings.public or has_keys(self.executor, self.folder):
            return []
        return [Step("make the first API key", self._make)]

    def _make(self) -> None:
        self.plain = reveal(create_key(self.executor, self.folder, FIRST_KEY))


def _operation(
    executor: Executor,
    state: AppState,
    facts: Facts,
    bundle: Bundle,
    settings: Settings,
    watch: Watch,
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
            image=settings.image,
            git_commit=git_commit(bundle.path),
            max_error=manifest.proof.max_error,
        ),
        proxy=caddy_address(network_of(facts)),
        watch=watch,
        begun=begun,
        ready_seconds=settings.ready_seconds,
    )


def _site(config: Config, host: str, state: AppState) -> Site:
    return site_for(config.app, public_address(host, config), (state.slots.blue, state.slots.green))


def _steps(op: Operation, state: AppState, settings: Settings, site: Site, delivery: Delivery) -> list[Step]:
    slot = state.free_slot()

    def start() -> None:
        op.executor.run(files.write(op.folder.slots), stdin=slots_json(state.slots))
        write_settings(op.executor, op.folder, op.release, settings)
        give_secrets(op.executor, op.folder, op.release)
        start_new(op, slot, settings)

    steps = [
        Step("pull the image by its digest", lambda: delivery.fetch(op.executor)),
        Step(
            f"start {op.container} in the {state.slots.name_of(slot)} slot, out of rotation",
            start,
            lambda _: discard(op),
        ),
    ]
    place = Step(
        f"site of {op.folder.app}",
        lambda: put_site(op.executor, op.folder, site),
        lambda _: bring_back_site(op.executor, op.folder),
    )
    return [_prepare_app(op, site), *switch_steps(op, site, steps, [place])]


def _final_steps(op: Operation, state: AppState, facts: Facts, first_key: FirstKey) -> list[Step]:
    def clean_up() -> None:
        clean(op.executor, read_state(op.executor, op.folder.app, network_of(facts)))

    return [*finish_steps(op, state), *first_key.steps(), Step("remove what no rollback needs", clean_up)]


def _prepare_app(op: Operation, site: Site) -> Step:
    """The app's folders, once it is known that no other app has its place: that need not wait for the release."""

    def prepare() -> None:
        folder = op.folder
        require_free(folder.app, site, read_sites(op.executor), op.executor.name)
        op.executor.run(files.make_open_folders(folder.rotation, folder.keys))
        op.executor.run(files.make_folders(f"{folder.path}/settings"))

    return Step(f"folders of {op.folder.app}", prepare)
