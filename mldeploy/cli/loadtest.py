"""`mldeploy loadtest`: open-loop load against an endpoint, and a verdict."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mldeploy import console
from mldeploy.bundle import newest_bundle, read_bundle
from mldeploy.config import load_config
from mldeploy.errors import MldeployError, TargetMissedError

if TYPE_CHECKING:
    from rich.console import Console

    from mldeploy.loadtest import Load, Result, Tick
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
    host: Annotated[str | None, typer.Option(help="A host in mldeploy.toml.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle whose golden rows to send; default: the newest in build/.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every request's times to this file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report that stands alone to this file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Write the result as JSON.")] = False,
    owned: Annotated[bool, typer.Option("--i-own-this-host", help="Load a host that is not configured.")] = False,
) -> None:
    """Send requests at a fixed rate and say whether the endpoint meets its latency target.

    A request's latency counts from when it was due, so an endpoint that stalls is charged for everything
    that had to wait. Exit code 4 when the target is missed, 1 when the run does not count.
    """
    from mldeploy.loadtest import (
        Load,
        Target,
        check_may_load,
        find_endpoint,
        html_report,
        run_load,
        summarize,
        write_csv,
    )

    config = load_config()
    endpoint = find_endpoint(config, host, url)
    check_may_load(endpoint, config, owned=owned)
    rows = read_bundle(bundle or newest_bundle(config.build_dir)).golden.instances
    arrivals: Arrivals = "poisson" if poisson else "constant"
    load = Load(endpoint, qps, duration_s or config.loadtest.duration_s, warmup_s, arrivals, timeout_s)
    target = Target(
        p99_s or config.loadtest.p99_ms / 1000,
        config.loadtest.max_error_rate if max_error_rate is None else max_error_rate,
    )
    with console.err.status(f"loading {endpoint}") as status:
        samples = run_load(load, rows, lambda tick: status.update(_progress(load, tick)))
    if csv:
        write_csv(samples, csv)
    result = summarize(load, samples, target)
    if html:
        html.write_text(html_report(load, samples, result), encoding="utf-8")
    _show(result, console.err if json else console.out)
    if json:
        console.emit_json(result.to_json())
    _judge(result)


def _progress(load: Load, tick: Tick) -> str:
    return (
        f"{tick.elapsed_s:.0f} of {load.warmup_s + load.duration_s:.0f} s, {tick.answered} answered, "
        f"{tick.in_flight} in flight, {tick.errors} errors, p99 {_ms(tick.p99_s)}"
    )


def _show(result: Result, where: Console) -> None:
    p50, p95, p99, longest = (_ms(time) for time in (result.p50_s, result.p95_s, result.p99_s, result.max_s))
    errors = ", ".join(f"{count} x {kind}" for kind, count in result.errors.items()) or "none"
    lines = {
        "endpoint": result.url,
        "rate": f"{result.achieved_rate:.1f} a second achieved, {result.asked_rate:g} asked, {result.requests} in all",
        "latency": f"p50 {p50}, p95 {p95}, p99 {p99}, max {longest}",
        "errors": f"{errors} ({result.error_rate:.2%})",
        "target": f"p99 {_ms(result.target.p99_s)}, errors {result.target.max_error_rate:.2%}: {result.verdict}",
    }
    for name, text in lines.items():
        where.print(f"[dim]{name:9}[/] {text}", highlight=False)


def _judge(result: Result) -> None:
    if result.verdict == "invalid":
        raise MldeployError(
            "The run does not count",
            cause=result.invalid,
            remedy="Free this machine's processors, ask for a lower rate, or run it from a larger machine.",
        )
    if result.verdict == "missed":
        raise TargetMissedError(
            "The target is missed",
            cause=f"p99 {_ms(result.p99_s)} of {_ms(result.target.p99_s)} allowed, "
            f"{result.error_rate:.2%} errors of {result.target.max_error_rate:.2%} allowed",
        )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
