"""The watch after a switch: the old release stays warm while the new one shows that it is no worse."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError
from mldeploy.host.commands import docker
from mldeploy.metrics import between, nothing_yet, parse

if TYPE_CHECKING:
    from mldeploy.config import Config
    from mldeploy.metrics import Reading, ServerView
    from mldeploy.release.operation import Operation

LOOK_SECONDS = 1.0
JUDGE_SECONDS = 5.0


@dataclass(frozen=True)
class Watch:
    """How long to watch, and what is worse than the release before; see WatchConfig. `p99_s` is within any target."""

    seconds: float
    max_more_errors: float
    max_p99_ratio: float
    min_requests: int
    p99_s: float

    @classmethod
    def of(cls, config: Config, seconds: float | None) -> Watch:
        """As configured, but for so many `seconds`, if they are given."""
        limits = config.watch
        return cls(
            limits.seconds if seconds is None else seconds,
            limits.max_more_errors,
            limits.max_p99_ratio,
            limits.min_requests,
            config.slo.p99_ms / 1000,
        )

    def judge(self, new: ServerView | None, old: ServerView | None) -> tuple[str | None, str]:
        """What is wrong with the new release by what it answered, or None; and the figures in words.

        Without enough requests to the new one nothing is wrong, and the words say why. Without enough to the old
        one it counts as having had no errors, and its p99 is not compared.
        """
        if new is None or not new.requests:
            return None, "no traffic: it could not be judged"
        if new.requests < self.min_requests:
            return None, f"{new.requests} requests: too few to judge"
        compared = old if old and old.requests >= self.min_requests else None
        errors_before = compared.error_rate if compared else 0.0
        figures = f"{new.requests} requests, {new.error_rate:.2%} errors, p99 within {new.p99_s * 1000:g} ms"
        before = f"{errors_before:.2%} errors, p99 within {compared.p99_s * 1000:g} ms" if compared else "no figures"
        words = f"{figures}; before: {before}"
        if new.error_rate > errors_before + self.max_more_errors:
            return f"it fails more often than {'the release before' if compared else 'it may'}", words
        slower = compared is not None and new.p99_s > self.max_p99_ratio * compared.p99_s
        if slower and new.p99_s > self.p99_s:
            return "it answers more slowly than the release before", words
        return None, words


def watch(op: Operation) -> str:
    """Look every second whether the release lives and is ready, and now and then at what it answered.

    Raises MldeployError, upon which the release before serves again, when it is not or is worse than that one.
    """
    begun = time.monotonic()
    start = _reading(op, op.release)
    before = _reading(op, op.previous) if op.previous else None
    old = between(nothing_yet(), before) if before else None
    judged = begun
    while (left := begun + op.watch.seconds - time.monotonic()) > 0:
        _require_alive(op)
        time.sleep(min(LOOK_SECONDS, left))
        if time.monotonic() - judged >= JUDGE_SECONDS:
            judged = time.monotonic()
            _require_no_worse(op, start, old)
    return _require_no_worse(op, start, old)


def is_ready(op: Operation, release: str) -> bool:
    """Whether the runtime in the release's container answers that it is ready."""
    answer = op.executor.run(docker.control(op.folder.container(release), "status"), check=False)
    return answer.exit_code == 0 and bool(json.loads(answer.stdout)["ready"])


def logs_of(op: Operation, container: str) -> str:
    """The end of a container's log."""
    return op.executor.run(docker.logs(container, lines=15), check=False).stdout


def last_words(op: Operation) -> str:
    """The end of the new container's log, for people."""
    said = logs_of(op, op.container)
    return f"Its last log lines:\n{said}" if said else "Its log is empty."


def _require_alive(op: Operation) -> None:
    if complaint := _complaint(op):
        raise MldeployError(f"{op.release} failed just after the switch", cause=complaint, remedy=last_words(op))


def _require_no_worse(op: Operation, start: Reading | None, old: ServerView | None) -> str:
    """The figures in words."""
    complaint, words = op.watch.judge(between(start, _reading(op, op.release)), old)
    if complaint:
        raise MldeployError(
            f"{op.release} is worse than {op.previous}" if op.previous else f"{op.release} is not fit to serve",
            cause=f"{complaint}: {words}",
            remedy="`mldeploy logs` shows what it answered. [watch] in mldeploy.toml says what is worse.",
        )
    return words


def _reading(op: Operation, release: str) -> Reading | None:
    """What the release has counted; None when it does not say."""
    answer = op.executor.run(docker.control(op.folder.container(release), "metrics"), check=False)
    try:
        return parse(json.loads(answer.stdout)["text"])
    except (ValueError, KeyError):
        return None


def _complaint(op: Operation) -> str | None:
    """What is wrong with the new release, or None. Its answer comes first: a container may die between the two."""
    ready = is_ready(op, op.release)
    state, restarts, killed_for_memory, exit_code = op.executor.run(docker.state(op.container)).stdout.split("\t")
    if killed_for_memory == "true":
        return "its container was killed for memory: raise `memory` under [app], or use a smaller model"
    if state != "running" or restarts != "0":
        return f"its container is {state} after {restarts} restarts, the last exit code {exit_code}"
    return None if ready else "it is not ready any more"
