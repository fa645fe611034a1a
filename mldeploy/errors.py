"""The one exception tree. Each error says what happened, why, and what to do, and carries its exit code."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process returns; documented in docs/operations.md."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_PROVEN = 3
    TARGET_MISSED = 4
    UNREACHABLE = 5
    LOCKED = 6
    NEEDS_PERSON = 7
    INTERRUPTED = 130


class MldeployError(Exception):
    """Something failed and things are as they were.

    `message` says what happened, `cause` why, and `remedy` what to do about it.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, *, cause: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.remedy = remedy


class UsageError(MldeployError):
    """The command line, a configuration file or an input file cannot be used as given."""

    exit_code = ExitCode.USAGE


class NotProvenError(MldeployError):
    """The converted model does not answer as the original does."""

    exit_code = ExitCode.NOT_PROVEN


class TargetMissedError(MldeployError):
    """A measurement ran and missed its target."""

    exit_code = ExitCode.TARGET_MISSED


class UnreachableError(MldeployError):
    """A host, a registry or the Docker Engine does not answer, or refuses us."""

    exit_code = ExitCode.UNREACHABLE


class LockedError(MldeployError):
    """Another mldeploy is changing this host."""

    exit_code = ExitCode.LOCKED


class NeedsPersonError(MldeployError):
    """Something failed half way and could not be undone: the message says what to look at."""

    exit_code = ExitCode.NEEDS_PERSON


class LockLostError(NeedsPersonError):
    """The lock went while work was under way: what was done stands, and another may be at work."""
