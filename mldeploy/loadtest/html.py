"""The report as one HTML page that stands alone: figures, latency over time, latency by percentile, errors."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from mldeploy import __version__
from mldeploy.loadtest.chart import Axis, Line, latency_axis, line_chart
from mldeploy.loadtest.report import percentile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mldeploy.loadtest.report import Result
    from mldeploy.loadtest.samples import Load, Samples
    from mldeploy.metrics import ServerView

MOMENTS = 120
"""At most so many points along the time axis."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2127; --dim: #66707c; --rule: #d9dee4; --paper: #fff;
        --p50: #2b6cb0; --p99: #c05621; --max: #97a1ad; --good: #2f855a; --bad: #c53030; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --dim: #9aa4b0; --rule: #39414b; --paper: #15181c;
        --p50: #63a4e8; --p99: #f0905a; --max: #6d7783; --good: #5fc08f; --bad: #f17c7c; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 800px; margin: 2.5rem auto; padding: 0 1rem; }
h2 { font-size: 1rem; margin: 1.8rem 0 .3rem; }
h1 { font-size: 1.4rem; margin: 0; } h1 .met { color: var(--good); } h1 .missed, h1 .invalid { color: var(--bad); }
p { margin: .3rem 0 1.2rem; color: var(--dim); } figure { margin: 1.8rem 0; } figcaption { font-weight: 600; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .3rem .6rem .3rem 0;
       border-bottom: 1px solid var(--rule); vertical-align: top; }
th { font-weight: 400; color: var(--dim); width: 12rem; }
td { font-variant-numeric: tabular-nums; } code { font: 13px ui-monospace, monospace; overflow-wrap: anywhere; }
svg { width: 100%; height: auto; } .grid { stroke: var(--rule); } .limit { stroke: var(--bad); stroke-dasharray: 5 4; }
.line { fill: none; stroke-width: 1.8; } .line.p50 { stroke: var(--p50); } .line.p99 { stroke: var(--p99); }
.line.max { stroke: var(--max); } text { fill: var(--dim); font-size: 12px; text-anchor: middle; }
text.side { text-anchor: end; } .legend span { margin-right: 1.4rem; } .legend .p50 { color: var(--p50); }
.legend .p99 { color: var(--p99); } .legend .max { color: var(--max); } .legend .limit { color: var(--bad); }
"""


def html_report(load: Load, samples: Samples, result: Result, server: ServerView | None = None) -> str:
    """The whole page; nothing in it is fetched from elsewhere."""
    run = samples.measured(load)
    latency_ms = (run.done - run.due) * 1000
    charts = _over_time(run.due, latency_ms, result) + _by_percentile(latency_ms, result) if len(run.due) else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Load test of {escape(load.url)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f'<h1>Target <span class="{result.verdict}">{result.verdict}</span></h1><p>{escape(_sentence(result))}</p>'
        f"{_table(_figures(load, result))}{charts}{_servers_view(server)}"
        f"<p>Latency counts from when a request was due, not from when it was sent. Repeat with</p>"
        f"<p><code>{escape(repeat_command(load, result))}</code></p><p>mldeploy {__version__}</p></html>\n"
    )


def repeat_command(load: Load, result: Result) -> str:
    """The command line that makes the same run."""
    ramp = f" --ramp {load.ramp_s:g}s" if load.ramp_s else ""
    poisson = " --poisson" if load.arrivals == "poisson" else ""
    return (
        f"mldeploy loadtest --url {load.url} --qps {load.rate:g} --duration {load.duration_s:g}s{ramp}"
        f" --warmup {load.warmup_s:g}s --rows-per-request {load.rows_per_request} --timeout {load.timeout_s:g}s"
        f"{poisson} --p99 {result.target.p99_s * 1000:g}ms --max-error-rate {result.target.max_error_rate:g}"
    )


def _sentence(result: Result) -> str:
    if result.invalid:
        return f"The run does not count: {result.invalid}."
    return (
        f"At {result.asked_rate:g} requests a second, 99 % of answers came within {result.p99_s * 1000:.1f} ms"
        f" ({result.target.p99_s * 1000:g} ms allowed), and {result.error_rate:.2%} failed"
        f" ({result.target.max_error_rate:.2%} allowed)."
        f"{f' The run ended early: {result.cut_short}.' if result.cut_short else ''}"
    )


def _figures(load: Load, result: Result) -> dict[str, str]:
    times = {"p50": result.p50_s, "p95": result.p95_s, "p99": result.p99_s, "longest": result.max_s}
    return {
        "endpoint": load.url,
        "rate": f"{result.achieved_rate:.1f} a second achieved, {result.asked_rate:g} asked ({load.arrivals} arrivals)",
        "requests": f"{result.requests} of {_rows(load)} in {load.duration_s:g} s,"
        f" after {load.measured_from_s:g} s of ramp and warm-up",
        **{name: f"{seconds * 1000:.1f} ms" for name, seconds in times.items()},
        "errors": _counts(result.errors),
        "generator": f"99 % of requests were sent within {result.lateness_p99_s * 1000:.1f} ms of being due",
    }


def _rows(load: Load) -> str:
    return "one row" if load.rows_per_request == 1 else f"{load.rows_per_request} rows"


def _servers_view(server: ServerView | None) -> str:
    if server is None:
        return "<h2>The server's own view</h2><p>The endpoint shows no /metrics of an mldeploy runtime to this run.</p>"
    figures = {
        "answers": _counts(server.statuses),
        "p50": f"at most {server.p50_s * 1000:g} ms",
        "p99": f"at most {server.p99_s * 1000:g} ms",
        "refused or failed": _counts(server.problems),
        "rows": f"{server.rows}, {server.rows_a_run:.1f} in a run of the model",
        "model": f"{server.run_s * 1e6:.0f} us a run",
        "processor": f"{server.cpu_seconds:.1f} s, ramp and warm-up included",
        "memory": f"{server.memory / 1e6:.0f} MB",
    }
    return (
        f"<h2>The server's own view</h2>{_table(figures)}"
        "<p>The server counts from when it has a request; what the figures above have more was spent on the way"
        " or waiting.</p>"
    )


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in counts.items()) or "none"


def _table(rows: dict[str, str]) -> str:
    body = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows.items())
    return f"<table>{body}</table>"


def _over_time(due: NDArray[np.float64], latency_ms: NDArray[np.float64], result: Result) -> str:
    start, end = float(due[0]), float(due[-1]) + 1e-9
    edges = np.linspace(start, end, min(MOMENTS, max(len(due) // 20, 1)) + 1)
    groups = [part for part in np.split(latency_ms, np.searchsorted(due, edges[1:-1])) if len(part)]
    middles = np.linspace(start, end, len(groups))
    lines = [
        Line(label, style, [(float(at), percentile(part, share)) for at, part in zip(middles, groups, strict=True)])
        for label, style, share in (("longest", "max", 1.0), ("p99", "p99", 0.99), ("p50", "p50", 0.5))
    ]
    ticks = tuple((float(at), f"{at:.0f}") for at in np.linspace(start, end, 7))
    x = Axis("seconds from the start", start, max(end, start + 0.001), ticks)
    return line_chart("Latency over time", x, _axis(latency_ms, result), lines, limit=_limit(result))


def _by_percentile(latency_ms: NDArray[np.float64], result: Result) -> str:
    """Percentiles spread by how rare they are: 90, 99 and 99.9 % are equally far apart."""
    rarest = float(max(len(latency_ms), 10))
    rarities = np.geomspace(1, rarest, 200)
    points = [(float(rarity), percentile(latency_ms, 1 - 1 / rarity)) for rarity in rarities]
    ticks = ((1.0, "0 %"), (2.0, "50 %"), (10.0, "90 %"), (100.0, "99 %"), (1e3, "99.9 %"), (1e4, "99.99 %"))
    x = Axis("share of requests answered within", 1, rarest, tuple(t for t in ticks if t[0] <= rarest), log=True)
    line = Line("latency", "p99", points)
    return line_chart("Latency by percentile", x, _axis(latency_ms, result), [line], limit=_limit(result))


def _axis(latency_ms: NDArray[np.float64], result: Result) -> Axis:
    return latency_axis([float(latency_ms.min()), float(latency_ms.max()), result.target.p99_s * 1000])


def _limit(result: Result) -> tuple[float, str]:
    return result.target.p99_s * 1000, f"p99 allowed: {result.target.p99_s * 1000:g} ms"
