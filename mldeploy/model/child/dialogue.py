"""A request answered, or what the person can put right about it."""

from __future__ import annotations

from typing import Any, Callable

from . import limits
from .problems import Unusable


def answered(actions: dict[str, Callable[..., dict[str, Any]]], request: dict[str, Any]) -> dict[str, Any]:
    """What the action that the request names answers, or {"unusable": message, "cause", "remedy"}."""
    try:
        return actions[request.pop("do")](**request)
    except Exception as failure:
        problem = failure if isinstance(failure, Unusable) else limits.explained(failure)
        if problem is None:
            raise
        return {"unusable": problem.message, "cause": problem.cause, "remedy": problem.remedy}
