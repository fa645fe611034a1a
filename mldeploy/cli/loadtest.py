"""`mldeploy loadtest`: open-loop load against an endpoint, and a verdict."""

from __future__ import annotations

import re
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mldeploy import console
from mldeploy.bundle import read_bundle
from mldeploy.cli.durations import duration
from mldeploy.cli.loadtest_view import live, ms, show_capacity, show_comparison, show_cost, show_result
from mldeploy.cli.release import App, Host
from mldeploy.config import load_config
from mldeploy.errors import MldeployError, TargetMissedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from mldeploy.bundle import Bundle
    from mldeploy.loadtest.report import Result, Target
    from mldeploy.loadtest.samples import Load, Samples, Workers
    from mldeploy.loadtest.subject import Subject

MOST_TRIALS = 40
KEY_MARGIN_S = 120.0
KEY_LIMIT_S = 86_400.0
"""How many runs a search may make, how long a key that the host gives outlives them, and how long it may live."""


def duration_or_none(text: str) -> float:
    """Like a duration, or 0 for none."""
    return 0.0 if re.fullmatch(r"0(ms|s|m)?", text.strip()) else duration(text)


def host_and_port(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"[^:\s]+:\d{1,5}", text):
        raise typer.BadParameter(f"{text!r} is not ADDRESS:PORT, such as 10.0.0.5:5557")
    return text


def loadtest_worker(
    address: Annotated[str, typer.Argument(callback=host_and_port, metavar="ADDRESS:PORT")],
) -> None:
    """Send a share of a load test that was started elsewhere with --listen."""
    from mldeploy.loadtest.run import join_load

    join_load(address)


def loadtest(
    qps: Annotated[float, typer.Option(min=0.1, max=20_000, help="Requests a second that are due.")],
    duration_s: Annotated[
        float | None, typer.Option("--duration", parser=duration, metavar="TIME", help="How long to measure [30s].")
    ] = None,
    warmup_s: Annotated[
        float, typer.Option("--warmup", parser=duration_or_none, metavar="TIME", help="Load before measuring.")
    ] = "2s",  # type: ignore[assignment]  # the parser reads the default as well
    p99_s: Annotated[
        float | None,
        typer.Option("--p99", parser=duration, metavar="TIME", help="99 % of answers must come within it [100ms]."),
    ] = None,
    max_error_rate: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of requests that may fail [0].")
    ] = None,
    poisson: Annotated[bool, typer.Option("--poisson", help="Random gaps, as independent clients send.")] = False,
    timeout_s: Annotated[
        float, typer.Option("--timeout", parser=duration, metavar="TIME", help="An answer after it is an error.")
    ] = "10s",  # type: ignore[assignment]
    ramp_s: Annotated[
        float,
        typer.Option(
            "--ramp", parser=duration_or_none, metavar="TIME", help="Rise to the rate in so long, before warm-up."
        ),
    ] = "0",  # type: ignore[assignment]
    rows_per_request: Annotated[int, typer.Option(min=1, max=10_000, help="Rows in each request.")] = 1,
    url: Annotated[str | None, typer.Option(help="Any endpoint that speaks /predict.")] = None,
    host: Host = None,
    app: App = None,
    key: Annotated[
        str | None,
        typer.Option(envvar="MLDEPLOY_KEY", help="The API key; a host that is reached by SSH gives one by itself."),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            help="The bundle whose golden rows to send; default: what serves on the host, else the newest in build/."
        ),
    ] = None,
    mix: Annotated[
        Path | None,
        typer.Option(help="Rows to send, from a .csv or .parquet file [golden rows and variations of them]."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that send; one fills a processor.")] = 1,
    listen: Annotated[
        str | None,
        typer.Option(
            callback=host_and_port, metavar="ADDRESS:PORT", help="Let the workers join from other machines, here."
        ),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every request's times to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report that stands alone to this file.")] = None,
    find_capacity: Annotated[
        bool, typer.Option("--find-capacity", help="Search, from --qps on, for the highest rate within the target.")
    ] = False,
    peak_qps: Annotated[float | None, typer.Option(min=0.1, help="The peak expected, to say the headroom.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
    owned: Annotated[bool, typer.Option("--i-own-this-host", help="Load a host that is not configured.")] = False,
) -> None:
    """Send requests at a fixed rate and say whether the endpoint meets its latency target.

    A request's latency counts from when it was due, so an endpoint that stalls is charged for everything
    that had to wait. On a host the result is written to the ledger of the release that answered, and compared
    with the one before. Exit code 4 when the target is missed, 1 when the run does not count.
    """
    from mldeploy.host.names import choose_host
    from mldeploy.loadtest.endpoint import check_may_load, find_endpoint
    from mldeploy.loadtest.report import Target
    from mldeploy.loadtest.samples import Load, Workers
    from mldeploy.loadtest.subject import anywhere, bundle_for, on_host

    if find_capacity and (csv or html):
        raise UsageError("--csv and --html are of one run; --find-capacity makes several")
    for path in (csv, html):
        if path and not path.parent.is_dir():
            raise UsageError(f"{path} cannot be written", cause=f"there is no folder {path.parent}/", remedy="Make it.")
    config = load_config()
    endpoint = find_endpoint(url) if url else None
    if endpoint:
        check_may_load(endpoint, config, owned=owned)
    load = Load(
        url=endpoint or "",
        rate=qps,
        duration_s=duration_s or config.loadtest.duration_s,
        warmup_s=warmup_s,
        ramp_s=ramp_s,
        rows_per_request=rows_per_request,
        arrivals="poisson" if poisson else "constant",
        timeout_s=timeout_s,
    )
    target = Target(
        p99_s or config.slo.p99_ms / 1000,
        config.slo.max_error_rate if max_error_rate is None else max_error_rate,
    )
    seconds = min(load.total_s * (MOST_TRIALS if find_capacity else 1) + KEY_MARGIN_S, KEY_LIMIT_S)
    with (
        nullcontext(anywhere(endpoint, key))
        if endpoint and not host
        else on_host(config, choose_host(config, host), endpoint, app=app, key=key, seconds=seconds)
    ) as subject:
        if host and subject.on_host is None:
            console.warn(f"{subject.url} is not on {host}: it gets no key from there, and nothing is recorded.")
        run = Run(
            subject,
            replace(load, url=subject.url),
            _rows(subject, read_bundle(bundle) if bundle else bundle_for(subject, config, app), mix),
            target,
            Workers(workers, listen),
            peak_qps or config.slo.peak_qps,
            console.err if json else console.out,
        )
        if find_capacity:
            _capacity(run, json=json)
        else:
            _once(run, csv, html, json=json)


@dataclass(frozen=True)
class Run:
    """What was asked for: these rows, at this load, of this endpoint, held to this target."""

    subject: Subject
    load: Load
    rows: Sequence[dict[str, Any]]
    target: Target
    workers: Workers
    peak_qps: float | None
    where: Console


def _rows(subject: Subject, bundle: Bundle, mix: Path | None) -> list[dict[str, Any]]:
    """Those of `mix`, else golden rows and variations of them, without those that the release tested must refuse."""
    from mldeploy.loadtest.rows import read_rows, vary, without_unseen

    inputs, golden = bundle.manifest.inputs, bundle.golden.instances
    if mix:
        return read_rows(mix, inputs)
    if subject.on_host and subject.on_host.rejects_unseen:
        golden = without_unseen(golden, inputs) or golden
    return vary(golden, inputs)


def _once(run: Run, csv: Path | None, html: Path | None, *, json: bool) -> None:
    from mldeploy.loadtest.html import html_report
    from mldeploy.loadtest.report import write_csv
    from mldeploy.loadtest.server import read_metrics
    from mldeploy.loadtest.subject import record
    from mldeploy.metrics import between

    subject, load = run.subject, run.load
    before = read_metrics(subject.url, subject.metrics)
    samples, result = _measure(run, load)
    server = between(before, read_metrics(subject.url, subject.metrics))
    show_result(result, server, run.where)
    counts = subject.on_host and result.verdict != "invalid"
    comparison = record(subject.on_host, load, samples, result) if subject.on_host and counts else None
    if comparison:
        show_comparison(comparison, run.where)
    if subject.on_host and subject.on_host.monthly_price and run.peak_qps:
        show_cost({"expected load": run.peak_qps * load.rows_per_request}, subject.on_host.monthly_price, run.where)
    if json:
        console.emit_json(
            result.to_json() | {"server": server and server.to_json(), "comparison": comparison and asdict(comparison)}
        )
    try:
        if csv:
            write_csv(samples, csv)
        if html:
            html.write_text(html_report(load, samples, result, server), encoding="utf-8")
    except OSError as failure:
        raise UsageError(f"{failure.filename} cannot be written", cause=str(failure.strerror)) from failure
    _judge(result)


def _capacity(run: Run, *, json: bool) -> None:
    from mldeploy.loadtest.capacity import find_capacity

    def measure(rate: float) -> Result:
        _, result = _measure(run, replace(run.load, rate=rate))
        console.note(f"{rate:.0f} a second: p99 {ms(result.p99_s)}, {result.error_rate:.2%} errors, {result.verdict}")
        return result

    capacity = find_capacity(measure, run.load.rate)
    show_capacity(capacity, run.peak_qps, run.where)
    host, rows = run.subject.on_host, run.load.rows_per_request
    if capacity.rate and host and host.monthly_price:
        rates = {"capacity": capacity.rate * rows} | ({"expected load": run.peak_qps * rows} if run.peak_qps else {})
        show_cost(rates, host.monthly_price, run.where)
    if json:
        console.emit_json(capacity.to_json())
    if capacity.rate is None:
        _judge(capacity.trials[0])
        raise TargetMissedError("no rate held when it was repeated", remedy="Start lower with --qps, or run it longer.")


def _measure(run: Run, load: Load) -> tuple[Samples, Result]:
    from mldeploy.loadtest.report import summarize
    from mldeploy.loadtest.run import run_load

    if run.workers.address:
        console.note(f"on {run.workers.count} other machines: mldeploy loadtest-worker {run.workers.address}")
    with live(load, run.target) as on_tick:
        samples = run_load(load, run.rows, on_tick, run.subject.access, run.workers)
    return samples, summarize(load, samples, run.target)


def _judge(result: Result) -> None:
    if result.verdict == "invalid":
        raise MldeployError(
            "the run does not count",
            cause=result.invalid,
            remedy="Free this machine's processors, ask for a lower rate, or run it from a larger machine.",
        )
    if result.verdict == "missed":
        raise TargetMissedError(
            "the target is missed",
            cause=f"p99 {ms(result.p99_s)} of {ms(result.target.p99_s)} allowed, "
            f"{result.error_rate:.2%} errors of {result.target.max_error_rate:.2%} allowed"
            f"{f'; the run ended early: {result.cut_short}' if result.cut_short else ''}",
        )
