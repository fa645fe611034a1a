"""`host setup`: all that a bare machine needs, in one plan. A second run finds nothing to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.host.edge import start_caddy
from mldeploy.host.facts import gather
from mldeploy.host.hardening import hardening_steps, look
from mldeploy.host.setup import setup_steps
from mldeploy.host.ssh import connect
from mldeploy.plan import Step, execute

if TYPE_CHECKING:
    from mldeploy.config import Config
    from mldeploy.host.executor import Executor
    from mldeploy.plan import Done, Report


def set_up(executor: Executor, config: Config, *, upgrade_caddy: bool, report: Report) -> list[Done]:
    """Carry out what `executor`'s host still needs, and return it; nothing is done twice.

    Raises MldeployError when a step fails. All steps can be taken again.
    """

    def reconnect() -> None:
        with connect(executor.name, config):
            pass

    steps = setup_steps(executor, gather(executor))
    if upgrade_caddy:
        steps.append(Step("today's Caddy, beside the one that runs until it listens", lambda: _upgrade(executor)))
    return execute([*steps, *hardening_steps(executor, look(executor), reconnect)], report).done


def _upgrade(executor: Executor) -> str:
    return start_caddy(executor, upgrade=True)
