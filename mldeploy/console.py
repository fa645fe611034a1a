"""The terminal. People read standard error; standard output carries results, so that it can be piped."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.prompt import Confirm

if TYPE_CHECKING:
    from mldeploy.errors import MldeployError

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)


def step(text: str, detail: str = "") -> None:
    """One finished step of a procedure, with what came of it."""
    err.print(f"[green]✓[/] {escape(text)}" + (f"  [dim]{escape(detail)}[/]" if detail else ""))


def note(text: str) -> None:
    err.print(f"[dim]·[/] {escape(text)}")


def warn(text: str) -> None:
    err.print(f"[yellow]![/] {escape(text)}")


def error(failure: MldeployError) -> None:
    """A failure as people see it: what happened, why, and what to do."""
    err.print(f"[red]✗[/] [bold]{escape(failure.message)}[/]")
    if failure.cause:
        err.print(f"  [dim]why[/]  {escape(failure.cause)}")
    if failure.remedy:
        err.print(f"  [dim]do[/]   {escape(failure.remedy)}")


def agrees(question: str) -> bool:
    """Whether the person at the terminal says yes; where there is none, nobody does."""
    return sys.stdin.isatty() and Confirm.ask(escape(question), console=err, default=False)


def emit_json(data: Any) -> None:
    """Write `data` to standard output as one JSON document."""
    if out.is_terminal:
        out.print_json(json.dumps(data))
    else:
        print(json.dumps(data))
