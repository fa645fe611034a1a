"""What `mldeploy loadtest` shows: the run while it lasts, its result, and a search for capacity."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table

from mldeploy import console
from mldeploy.loadtest.capacity import MAX_RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from mldeploy.loadtest.capacity import Capacity
    from mldeploy.loadtest.report import Result, Target
    from mldeploy.loadtest.samples import Load, Tick
    from mldeploy.loadtest.subject import Comparison
    from mldeploy.metrics import ServerView

BLOCKS = "▁▂▃▄▅▆▇█"
SPARK_SECONDS = 60


@contextmanager
def live(load: Load, target: Target) -> Iterator[Callable[[Tick], None]]:
    """What to call with every tick; shows the run on a terminal, and nothing elsewhere."""
    if not console.err.is_terminal:
        yield lambda _: None
        return
    p99s: list[float] = []
    with Live(f"loading {load.url}", console=console.err, transient=True) as view:

        def show(tick: Tick) -> None:
            p99s.append(tick.p99_s)
            view.update(_moment(load, tick, sparkline(p99s[-SPARK_SECONDS:], target.p99_s)))

        yield show


def sparkline(latencies_s: list[float], target_s: float) -> str:
    """One block a value on a logarithmic scale, from a hundredth of the target to ten times it; a space for none."""

    def block(value: float) -> str:
        if math.isnan(value):
            return " "
        share = (math.log10(max(value / target_s, 0.01)) + 2) / 3
        return BLOCKS[min(int(share * len(BLOCKS)), len(BLOCKS) - 1)]

    return "".join(block(value) for value in latencies_s)


def show_result(result: Result, server: ServerView | None, where: Console) -> None:
    p50, p95, p99, longest = (ms(time) for time in (result.p50_s, result.p95_s, result.p99_s, result.max_s))
    errors = ", ".join(f"{count} x {kind}" for kind, count in result.errors.items()) or "none"
    lines = {
        "endpoint": result.url,
        "rate": f"{result.achieved_rate:.1f} a second achieved, {result.asked_rate:g} asked, {result.requests} in all",
        "latency": f"p50 {p50}, p95 {p95}, p99 {p99}, max {longest}",
        "errors": f"{errors} ({result.error_rate:.2%})",
        **({"server": _of_server(server)} if server else {}),
        "target": f"p99 {ms(result.target.p99_s)}, errors {result.target.max_error_rate:.2%}: {result.verdict}",
    }
    for name, text in lines.items():
        where.print(f"[dim]{name:9}[/] {text}", highlight=False)


def _of_server(server: ServerView) -> str:
    return (
        f"p50 within {ms(server.p50_s)}, p99 within {ms(server.p99_s)}, model {server.run_s * 1e6:.0f} us a run, "
        f"{server.rows_a_run:.1f} rows a run, {server.memory / 1e6:.0f} MB"
    )


def show_comparison(comparison: Comparison, where: Console) -> None:
    change = comparison.change
    where.print(
        f"[dim]before   [/] p99 {ms(comparison.previous_p99_s)} of {comparison.previous}; now {change.ratio:.2f} of it "
        f"({change.low:.2f} to {change.high:.2f} with 95 % confidence): {change.verdict}",
        highlight=False,
    )


def show_cost(predictions_a_second: dict[str, float], monthly_price: float, where: Console) -> None:
    """Dollars a million predictions at each rate, beside what ECS Fargate's published prices come to."""
    from mldeploy.loadtest.cost import FARGATE_DOLLARS_A_MONTH, dollars_a_million, fargate_dollars_a_million

    costs = [
        f"${dollars_a_million(monthly_price, rate):.4f} at the {name} ({rate:.0f} a second)"
        for name, rate in predictions_a_second.items()
    ]
    where.print(f"[dim]cost     [/] a million predictions: {', '.join(costs)}, all month", highlight=False)
    fargate = ", ".join(
        f"${cost:.4f} at {rate} (${FARGATE_DOLLARS_A_MONTH[rate]:.0f} a month)"
        for rate, cost in fargate_dollars_a_million().items()
    )
    where.print(f"[dim]         [/] ECS Fargate: {fargate}", highlight=False)


def show_capacity(capacity: Capacity, peak_qps: float | None, where: Console) -> None:
    """The curve of latency against rate, and the rate that held."""
    table = Table(box=None, pad_edge=False)
    for name in ("rate", "p50", "p99", "errors", ""):
        table.add_column(name, justify="left" if not name else "right")
    for trial in capacity.curve():
        cells = (f"{trial.asked_rate:.0f}", ms(trial.p50_s), ms(trial.p99_s), f"{trial.error_rate:.2%}", trial.verdict)
        table.add_row(*cells)
    where.print(table)
    if not capacity.rate:
        return
    where.print(f"[dim]capacity[/]  {capacity.rate:.0f} requests a second", highlight=False)
    if peak_qps:
        where.print(f"[dim]headroom[/]  {capacity.headroom(peak_qps):.1f} times {peak_qps:g}", highlight=False)
    if capacity.limited_by_generator:
        console.warn("This machine could send no more, so the endpoint may carry more.")
    if capacity.limited_by_search:
        console.warn(f"The search goes no higher than {MAX_RATE:.0f} a second, so the endpoint may carry more.")


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _moment(load: Load, tick: Tick, spark: str) -> str:
    return (
        f"{tick.elapsed_s:3.0f} of {load.total_s:.0f} s   {load.rate:g} a second asked   {tick.answered} answered, "
        f"{tick.in_flight} in flight, {tick.errors} errors\n"
        f"p50 {ms(tick.p50_s)}   p95 {ms(tick.p95_s)}   p99 {ms(tick.p99_s)}   {spark}"
    )
