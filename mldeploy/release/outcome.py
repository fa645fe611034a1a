"""What a ship or rollback came to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mldeploy.plan import Done
    from mldeploy.release.operation import Operation

SWITCHED = "ledger: switched"


@dataclass(frozen=True)
class Outcome:
    """`seconds_to_switch` runs from the person's command to the ledger's `switched`.

    `url` is where the app answers. `steps` is the time line: each step's `ended` counts from the command as well.
    `key` is the app's first API key, where this command made it: it is shown once and is nowhere else.
    """

    host: str
    app: str
    action: str
    release: str
    version: str
    previous: str | None
    url: str
    seconds_to_switch: float
    steps: list[Done]
    warnings: list[str]
    key: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def outcome_of(op: Operation, steps: list[Done], url: str, warnings: list[str]) -> Outcome:
    steps = [replace(step, seconds=round(step.seconds, 3), ended=round(step.ended - op.begun, 3)) for step in steps]
    return Outcome(
        host=op.executor.name,
        app=op.folder.app,
        action=op.action,
        release=op.release,
        version=op.record.version,
        previous=op.previous,
        url=url,
        seconds_to_switch=next(step.ended for step in steps if step.says == SWITCHED),
        steps=steps,
        warnings=warnings,
    )
