"""What is tested: an endpoint, what lets us in, and, on a host of ours, the release that answers there."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mldeploy.bundle import find_bundles, newest_bundle, read_bundle
from mldeploy.errors import UsageError
from mldeploy.host.edge import read_root
from mldeploy.host.names import url_of
from mldeploy.host.site import read_site
from mldeploy.host.ssh import connect
from mldeploy.loadtest.compare import Change, compare, p99_replicates
from mldeploy.loadtest.endpoint import names_of
from mldeploy.loadtest.samples import Access
from mldeploy.release.ledger import LoadtestRecord
from mldeploy.release.loadtests import previous_like, record_loadtest, serving_release, short_lived_key
from mldeploy.release.rollback import choose_app
from mldeploy.release.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldeploy.bundle import Bundle
    from mldeploy.config import Config
    from mldeploy.host.executor import Executor
    from mldeploy.loadtest.report import Result
    from mldeploy.loadtest.samples import Load, Samples
    from mldeploy.release.loadtests import UnderTest


@dataclass(frozen=True)
class OnHost:
    """Where the release that is tested runs, and whether its settings refuse unseen categories."""

    name: str
    executor: Executor
    tested: UnderTest
    monthly_price: float | None
    rejects_unseen: bool


@dataclass(frozen=True)
class Subject:
    """The URL of `/predict`, what lets us in there and at /metrics, and where it runs, if that is known."""

    url: str
    access: Access
    metrics: Access
    on_host: OnHost | None


@dataclass(frozen=True)
class Comparison:
    """How the p99 changed from that of the release tested before with the same load."""

    previous: str
    previous_p99_s: float
    change: Change


def anywhere(endpoint: str, key: str | None) -> Subject:
    """An endpoint of which nothing more is known: the key is the person's own, and nothing is recorded."""
    return Subject(endpoint, Access(key), Access(key), None)


@contextmanager
def on_host(
    config: Config, name: str, endpoint: str | None, *, app: str | None, key: str | None, seconds: float
) -> Iterator[Subject]:
    """An app of the host `name`, at `endpoint` or where its site says, with keys that are good for `seconds`.

    An `endpoint` elsewhere is any other: it gets no key of the host's, and its figures are of no release there.
    Raises UsageError where it is not clear which app is meant, UnreachableError where the host does not answer.
    """
    with connect(name, config) as ssh:
        tested = serving_release(ssh, choose_app(ssh, app or config.app.name))
        site = read_site(ssh, tested.folder)
        if endpoint and urlsplit(endpoint).hostname not in {*names_of(name, config), site.name}:
            yield anywhere(endpoint, key)
            return
        authority = read_root(ssh) if site.tls == "internal" else site.root
        access = Access(key or short_lived_key(ssh, tested, seconds), authority)
        metrics = Access(short_lived_key(ssh, tested, seconds, scope="metrics"), authority)
        url = endpoint or f"{url_of(site, name, config)}/predict"
        price = config.hosts[name].monthly_price if name in config.hosts else None
        rejects = read_settings(ssh, tested.folder, tested.release).environment.get("MLDEPLOY_UNKNOWN") == "reject"
        yield Subject(url, access, metrics, OnHost(name, ssh, tested, price, rejects))


def bundle_for(subject: Subject, config: Config, app: str | None) -> Bundle:
    """The bundle whose rows to send: that of the release which is tested; elsewhere the newest in build/.

    Raises UsageError where there is none.
    """
    if subject.on_host is None:
        return read_bundle(newest_bundle(config.build_dir, app or config.app.name))
    tested = subject.on_host.tested
    for path in find_bundles(config.build_dir):
        with suppress(UsageError):  # a damaged one, or of another schema, is not what serves
            bundle = read_bundle(path)
            if bundle.manifest.bundle_id == tested.bundle_id:
                return bundle
    raise UsageError(
        f"the bundle of {tested.release}, which serves, is not in {config.build_dir}/",
        cause="another's rows may be refused, and the release would be charged for it",
        remedy=f"Name it with --bundle: version {tested.version}, {tested.bundle_id[:12]}.",
    )


def record(where: OnHost, load: Load, samples: Samples, result: Result) -> Comparison | None:
    """Write a run that counts to the ledger of the release tested, and compare it with the one before.

    There is nothing to compare where either failed more than it was allowed to: errors are quick.
    Raises MldeployError when another release took over during the run.
    """
    measured = LoadtestRecord(
        asked_rate=load.rate,
        achieved_rate=round(result.achieved_rate, 3),
        rows_per_request=load.rows_per_request,
        arrivals=load.arrivals,
        requests=result.requests,
        errors=sum(result.errors.values()),
        p50_s=round(result.p50_s, 6),
        p99_s=round(result.p99_s, 6),
        p99_replicates_s=tuple(round(float(value), 6) for value in p99_replicates(load, samples)),
        target_p99_s=result.target.p99_s,
        target_error_rate=result.target.max_error_rate,
        met=result.verdict == "met",
    )
    before = previous_like(record_loadtest(where.executor, where.tested, measured), where.tested, measured)
    if before is None or any(test.error_rate > test.target_error_rate for test in (measured, before[1])):
        return None
    name, earlier = before
    return Comparison(name, earlier.p99_s, compare(measured.p99_replicates_s, earlier.p99_replicates_s))
