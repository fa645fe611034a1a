"""Load tests of a release, as the host knows them: the key it gives for one, and what the ledger keeps of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError, UsageError
from mldeploy.host.commands import docker
from mldeploy.host.layout import AppFolder
from mldeploy.host.ssh import connect
from mldeploy.release.ledger import Event, LoadtestRecord, read_ledger, write_event
from mldeploy.release.lock import whoami

if TYPE_CHECKING:
    from mldeploy.bundle import Manifest
    from mldeploy.config import Config, SloConfig
    from mldeploy.host.executor import Executor
    from mldeploy.release.ledger import History


@dataclass(frozen=True)
class UnderTest:
    """The release that serves while it is being tested."""

    folder: AppFolder
    release: str
    version: str
    bundle_id: str

    @property
    def container(self) -> str:
        return self.folder.container(self.release)


def serving_release(executor: Executor, app: str) -> UnderTest:
    """What serves now. Raises MldeployError when nothing does."""
    folder = AppFolder(app)
    history = read_ledger(executor, folder)
    if history.serving is None:
        raise MldeployError(
            f"nothing of {app} serves on {executor.name}", remedy=f"Ship it first: mldeploy ship --host {executor.name}"
        )
    record = history.releases[history.serving]
    return UnderTest(folder, history.serving, record.version, record.bundle_id)


def short_lived_key(executor: Executor, tested: UnderTest, seconds: float, scope: str = "predict") -> str:
    """A key for the tool's own calls, which only the release's containers know and which ends by itself."""
    asked = ("key", "--name", "mldeploy-loadtest", "--seconds", f"{seconds:.0f}", "--scope", scope)
    answer = executor.run(docker.control(tested.container, *asked)).stdout
    return str(json.loads(answer)["key"])


def record_loadtest(executor: Executor, tested: UnderTest, loadtest: LoadtestRecord) -> History:
    """Write the result to the ledger, unless another release took over meanwhile; the ledger as it was before.

    Raises MldeployError in that case: the figures are then of no one release.
    """
    history = read_ledger(executor, tested.folder)
    if history.serving != tested.release:
        raise MldeployError(
            "the result is not recorded",
            cause=f"{history.serving} took over from {tested.release} during the run",
            remedy="Run it again.",
        )
    event = Event(
        event="tested",
        operation=history.next_operation,
        action="loadtest",
        release=tested.release,
        by=whoami(),
        loadtest=loadtest,
    )
    write_event(executor, tested.folder, event)
    return history


def previous_like(history: History, tested: UnderTest, loadtest: LoadtestRecord) -> tuple[str, LoadtestRecord] | None:
    """The last load test of another release that was made with the same load, and that release."""
    others = [name for name in history.loadtests if name in history.releases and name != tested.release]
    for name in reversed(others):
        for earlier in reversed(history.loadtests[name]):
            if earlier.like(loadtest):
                return name, earlier
    return None


def require_passed(manifest: Manifest, config: Config) -> None:
    """Raise MldeployError unless the last load test of this very bundle on the staging host is within `[slo]`.

    What the run itself was held to may have been anything.
    """
    staging = config.loadtest.staging
    if staging is None:
        raise UsageError(
            "there is no staging host to have been tested on",
            cause="mldeploy.toml names none",
            remedy='Set staging = "NAME" under [loadtest].',
        )
    app = config.app.name or manifest.name
    with connect(staging, config) as ssh:
        history = read_ledger(ssh, AppFolder(app))
    if cause := why_not_passed(manifest.bundle_id, history, config.slo):
        at = f" --qps {config.slo.peak_qps:g}" if config.slo.peak_qps else ""
        raise MldeployError(
            f"{app} {manifest.version} has not passed a load test on {staging}",
            cause=cause,
            remedy=f"Ship it there, and run `mldeploy loadtest{at} --host {staging}`.",
        )


def why_not_passed(bundle_id: str, history: History, slo: SloConfig) -> str:
    """What the last load test of a bundle lacks of `slo`, on the host of this history; empty when it has passed."""
    releases = [name for name, record in history.releases.items() if record.bundle_id == bundle_id]
    if not releases:
        return "that host never had it"
    tested = [name for name in history.loadtests if name in releases]
    if not tested:
        return f"{', '.join(releases)} was never tested there"
    short = _shortcomings(history.loadtests[tested[-1]][-1], slo)
    return f"in its last test {', '.join(short)}" if short else ""


def _shortcomings(test: LoadtestRecord, slo: SloConfig) -> list[str]:
    short = []
    if test.p99_s * 1000 > slo.p99_ms:
        short.append(f"the p99 was {test.p99_s * 1000:.1f} ms of {slo.p99_ms:g} allowed")
    if test.error_rate > slo.max_error_rate:
        short.append(f"{test.error_rate:.2%} failed of {slo.max_error_rate:.2%} allowed")
    if slo.peak_qps and test.asked_rate < slo.peak_qps:
        short.append(f"{test.asked_rate:g} requests a second were sent, and the peak is {slo.peak_qps:g}")
    if not short and not test.met:
        short.append("it missed the stricter target that it was given")
    return short
