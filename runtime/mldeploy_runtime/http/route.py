"""What a path of the server is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mldeploy_runtime.http.messages import Reply, Request


@dataclass(frozen=True, slots=True)
class Route:
    """A path takes one method. `problems` are the statuses of what it may refuse; `counted` says that its requests
    are work in flight, which a drain waits for, and are logged; `may_be_down` that it may answer with status 503.
    `scope` is what a key must be for, where keys are on; None for a path that is open to all, and has no rate."""

    method: str
    answer: Callable[[Request], Awaitable[Reply]]
    summary: str
    problems: tuple[int, ...] = ()
    counted: bool = False
    may_be_down: bool = False
    scope: str | None = "predict"
