"""`mldeploy loadtest`: open-loop load against an endpoint, and a verdict."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mldeploy import console
from mldeploy.bundle import newest_bundle, read_bundle
from mldeploy.cli.loadtest_view import live, ms, show_capacity, show_result
from mldeploy.config import load_config
from mldeploy.errors import MldeployError, TargetMissedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from mldeploy.loadtest import Load, Result, Samples, Target
    from mldeploy.loadtest.arrivals import Arrivals

UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration(text: str) -> float:
    """Seconds of a duration such as 100ms, 30s, 2m; a bare number is seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)?", text.strip())
    if not match or not float(match[1]):
        raise typer.BadParameter(f"{text!r} is no duration; write it as 100ms, 30s or 2m")
    return float(match[1]) * UNITS_S[match[2] or "s"]


def loadtest(
    qps: Annotated[float, typer.Option(min=0.1, max=20_000, help="Requests a second that are due.")],
    duration_s: Annotated[
        float | None, typer.Option("--duration", parser=duration, metavar="TIME", help="How long to measure [30s].")
    ] = None,
    warmup_s: Annotated[
        float, typer.Option("--warmup", parser=duration, metavar="TIME", help="Load before measuring.")
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
    url: Annotated[str | None, typer.Option(help="Any endpoint that speaks /predict.")] = None,
    host: Annotated[str | None, typer.Option(help="A host of mldeploy.toml, or an alias of ~/.ssh/config.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle whose golden rows to send; default: the newest in build/.")
    ] = None,
    mix: Annotated[
        Path | None, typer.Option(help="Rows to send instead of golden rows, from a .csv or .parquet file.")
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
    that had to wait. Exit code 4 when the target is missed, 1 when the run does not count.
    """
    from mldeploy.loadtest import Load, Target, check_may_load, find_endpoint, read_rows

    if find_capacity and (csv or html):
        raise UsageError("--csv and --html are of one run; --find-capacity makes several")
    config = load_config()
    endpoint = find_endpoint(config, host, url)
    check_may_load(endpoint, config, host, owned=owned)
    chosen = read_bundle(bundle or newest_bundle(config.build_dir))
    rows = read_rows(mix, chosen.manifest.inputs) if mix else chosen.golden.instances
    arrivals: Arrivals = "poisson" if poisson else "constant"
    load = Load(endpoint, qps, duration_s or config.loadtest.duration_s, warmup_s, arrivals, timeout_s)
    target = Target(
        p99_s or config.slo.p99_ms / 1000,
        config.slo.max_error_rate if max_error_rate is None else max_error_rate,
    )
    where = console.err if json else console.out
    if find_capacity:
        _capacity(load, rows, target, peak_qps, where, json=json)
        return
    samples, result = _measure(load, rows, target)
    _write(load, samples, result, csv, html)
    show_result(result, where)
    if json:
        console.emit_json(result.to_json())
    _judge(result)


def _measure(load: Load, rows: Sequence[dict[str, Any]], target: Target) -> tuple[Samples, Result]:
    from mldeploy.loadtest import run_load, summarize

    with live(load, target) as on_tick:
        samples = run_load(load, rows, on_tick)
    return samples, summarize(load, samples, target)


def _write(load: Load, samples: Samples, result: Result, csv: Path | None, html: Path | None) -> None:
    from mldeploy.loadtest import html_report, write_csv

    if csv:
        write_csv(samples, csv)
    if html:
        html.write_text(html_report(load, samples, result), encoding="utf-8")


def _capacity(
    load: Load, rows: Sequence[dict[str, Any]], target: Target, peak_qps: float | None, where: Console, *, json: bool
) -> None:
    from mldeploy.loadtest import find_capacity

    def measure(rate: float) -> Result:
        _, result = _measure(replace(load, rate=rate), rows, target)
        console.note(f"{rate:.0f} a second: p99 {ms(result.p99_s)}, {result.error_rate:.2%} errors, {result.verdict}")
        return result

    capacity = find_capacity(measure, load.rate)
    show_capacity(capacity, peak_qps, where)
    if json:
        console.emit_json(capacity.to_json())
    if capacity.rate is None:
        _judge(capacity.trials[0])
        raise TargetMissedError("no rate held when it was repeated", remedy="Start lower with --qps, or run it longer.")


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
            f"{result.error_rate:.2%} errors of {result.target.max_error_rate:.2%} allowed",
        )
