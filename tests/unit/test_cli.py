"""The command line's frame: every failure is one message and its documented exit code."""

from __future__ import annotations

import io
import sys

import pytest

from mldeploy import __version__, cli
from mldeploy.cli.secrets import _read
from mldeploy.errors import (
    LockedError,
    MldeployError,
    NeedsPersonError,
    NotProvenError,
    TargetMissedError,
    UnreachableError,
    UsageError,
)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["mldeploy", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (MldeployError, 1),
        (UsageError, 2),
        (NotProvenError, 3),
        (TargetMissedError, 4),
        (UnreachableError, 5),
        (LockedError, 6),
        (NeedsPersonError, 7),
    ],
)
def test_a_failure_says_what_why_and_what_to_do_and_has_its_exit_code(
    failure: type[MldeployError], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise failure("it broke [at 5%]", cause="a [bold] reason", remedy="mend it")

    monkeypatch.setattr(cli, "app", fail)
    assert run(monkeypatch) == code
    said = capsys.readouterr().err
    for part in ("it broke [at 5%]", "why", "a [bold] reason", "do", "mend it"):
        assert part in said


@pytest.mark.parametrize("arguments", [("nope",), ("ship", "--nope"), ("loadtest", "--qps", "many")])
def test_a_wrong_command_line_is_exit_code_2(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    assert run(monkeypatch, *arguments) == 2


def test_the_version_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", ["package", "ship", "rollback", "releases", "status", "logs", "loadtest", "serve", "inspect"]
)
def test_every_command_explains_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run(monkeypatch, command, "--help") == 0
    assert f"mldeploy {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", [None, r"printf '\377\376'"], ids=["standard input", "a command"])
def test_a_secret_that_is_not_text_is_refused_and_not_shown(
    command: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\377\376"), encoding="utf-8"))
    with pytest.raises(UsageError, match="is not text") as failure:
        _read(command)
    assert "0xff" not in failure.value.cause


def test_a_key_cannot_outlive_the_calendar(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "keys", "create", "crm", "--expires", "10000000d") == 2
