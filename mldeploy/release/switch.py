"""The switch: from a started release out of rotation to one that alone serves, without a lost request.

Caddy asks both slots for their rotation check every 200 ms and serves the first that says yes. So the new
release enters rotation, the old one leaves it and is kept warm for the watch, and is then drained. Nothing
is reloaded.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mldeploy.errors import MldeployError
from mldeploy.host.commands import caddy, docker, files
from mldeploy.host.layout import CADDY_CONTAINER
from mldeploy.plan import Step
from mldeploy.release.operation import Operation, record_event
from mldeploy.release.start import stop
from mldeploy.release.watch import last_words, logs_of, watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldeploy.host.site import Site
    from mldeploy.release.state import AppState

GOLDEN_SECONDS = 60
SEEN_SECONDS = 10
CERTIFIED_SECONDS = 90
DRAIN_SECONDS = 30

# Caddy may have asked just before the file changed, and waits so long for the answer.
SETTLE_SECONDS = (caddy.HEALTH_INTERVAL_MS + caddy.HEALTH_TIMEOUT_MS) / 1000


def switch_steps(op: Operation, site: Site, start: list[Step], place: Sequence[Step] = ()) -> list[Step]:
    """From the ledger's `started` to the end of the watch; `start` brings the release up in the free slot.

    `site` is where the app answers through Caddy; `place` brings it there, once the release has proven itself.
    """
    old, companions = op.previous, op.companions
    steps = [
        Step("ledger: started", lambda: record_event(op, "started"), lambda failure: _record_failure(op, failure)),
        *start,
        Step("wait until the release is ready", lambda: _wait_ready(op)),
        Step("answer the golden rows on the host", lambda: _answer_golden(op)),
        *([Step(companions.says, companions.proven)] if companions else []),
        *place,
        Step(f"{op.release} into rotation", lambda: enter(op, op.release), lambda _: leave_and_drain(op, op.release)),
    ]
    if old is not None:
        steps.append(
            Step(f"{old} out of rotation, kept warm", lambda: leave(op, old), lambda _: enter(op, old)),
        )
    return [
        *steps,
        Step(f"see {op.release} answer through Caddy", lambda: _see(op, site)),
        Step("ledger: switched", lambda: record_event(op, "switched")),
        Step(f"watch {op.release} for {op.watch.seconds:g} s", lambda: watch(op)),
        *([Step(companions.says, companions.stood)] if companions else []),
    ]


def finish_steps(op: Operation, state: AppState) -> list[Step]:
    """What is left once the new release has stood its watch. The old one is going, so there is no way back."""
    old = op.previous
    finished = Step("ledger: finished", lambda: finish(op))
    if old is None or state.container_of(old) is None:
        return [finished]
    return [Step(f"drain and stop {old}, keep its container", lambda: retire(op, old)), finished]


def finish(op: Operation, reason: str | None = None) -> None:
    """The ledger's `finished`. What was kept for a way back goes first, so that it never outlives its operation."""
    op.executor.run(files.forget(op.folder.site, op.folder.secrets(op.release)))
    record_event(op, "finished", reason)


def enter(op: Operation, release: str) -> None:
    op.executor.run(files.touch(op.folder.in_rotation(release)))


def leave(op: Operation, release: str) -> None:
    op.executor.run(files.remove(op.folder.in_rotation(release)))


def leave_and_drain(op: Operation, release: str) -> None:
    leave(op, release)
    _drain(op, release)


def retire(op: Operation, release: str) -> str | None:
    """Drain a release that left rotation, stop its container and take its address; the container is kept."""
    drained = _drain(op, release)
    stop(op.executor, op.folder.container(release))
    return None if drained else "some requests were still in flight: they had the stop's grace to end"


def _drain(op: Operation, release: str) -> bool:
    """Wait until Caddy has noticed and nothing is in flight. A dead container has nothing in flight."""
    command = ("drain", "--settle", f"{SETTLE_SECONDS:g}", "--timeout", str(DRAIN_SECONDS))
    argv = docker.control(op.folder.container(release), *command)
    return op.executor.run(argv, deadline=DRAIN_SECONDS + 10, check=False).exit_code == 0


def _record_failure(op: Operation, failure: BaseException) -> None:
    if isinstance(failure, MldeployError):
        reason = f"{failure.message}: {failure.cause}" if failure.cause else failure.message
    else:
        reason = "interrupted" if isinstance(failure, KeyboardInterrupt) else repr(failure)
    record_event(op, "failed", reason)


def _wait_ready(op: Operation) -> None:
    _ask(op, "wait-ready", "--timeout", str(op.ready_seconds), deadline=op.ready_seconds)


def _answer_golden(op: Operation) -> str:
    answer = _ask(op, "golden", deadline=GOLDEN_SECONDS)
    return f"{answer['rows']} rows, largest error {answer['max_error']:.1e}"


def _see(op: Operation, site: Site) -> None:
    """A public certificate may have to be fetched first: that takes its time, and fails for reasons of its own."""
    name = ["--host-header", site.name] if site.name else []
    seconds = CERTIFIED_SECONDS if site.tls == "acme" else SEEN_SECONDS
    try:
        _ask(op, "seen", site.url_at(op.proxy), *name, "--timeout", str(seconds), deadline=seconds)
    except MldeployError as failure:
        if site.tls != "acme":
            raise
        raise MldeployError(
            f"{op.release} does not answer through Caddy as {site.name}",
            cause=f"{failure.cause}; the last that Caddy wrote:\n{logs_of(op, CADDY_CONTAINER)}",
            remedy=f"`mldeploy host check {op.executor.name}` says whether {site.name} leads to this host.",
        ) from failure


def _ask(op: Operation, *command: str, deadline: float) -> dict[str, Any]:
    """What the runtime in the new container answers to a control command.

    Raises MldeployError with the runtime's reason and its last log lines when the command fails.
    """
    result = op.executor.run(docker.control(op.container, *command), deadline=deadline + 10, check=False)
    try:
        answer = json.loads(result.stdout)
    except ValueError:
        answer = {"reason": (result.stderr or result.stdout or "no answer")[-500:]}
    if result.exit_code != 0 or not isinstance(answer, dict):
        raise MldeployError(
            f"{op.release} failed its check `{command[0]}`",
            cause=str(answer.get("reason") or answer),
            remedy=last_words(op),
        )
    return answer
