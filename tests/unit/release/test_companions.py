"""Hosts that act together: all switch or none, whichever of them fails, and at which step."""

from __future__ import annotations

import signal
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from mldeploy.errors import ExitCode, MldeployError, NeedsPersonError
from mldeploy.plan import Step, execute
from mldeploy.release import companions
from mldeploy.release.companions import Companions, OnHosts, PartedError, on_hosts

if TYPE_CHECKING:
    from collections.abc import Callable

    from mldeploy.release.outcome import Outcome

HOSTS = ["a", "b", "c"]


class World:
    """Three hosts on which the steps of a release are carried out; `failing` is the host and step that fails."""

    def __init__(self, *failing: tuple[str, str]) -> None:
        self.failing = failing
        self.serving = dict.fromkeys(HOSTS, "old")
        self.at_switch: list[set[str]] = []
        self.proven: set[str] = set()
        self.undone: dict[str, list[str]] = defaultdict(list)
        self.guard = threading.Lock()
        self.at: dict[str, Callable[[], None]] = {}

    def act(self, host: str, companions: Companions | None) -> Outcome:
        def step(name: str, do: Any = None) -> Step:
            def carry_out() -> None:
                if (host, name) in self.failing:
                    raise MldeployError(f"{name} failed on {host}")
                if do:
                    do()
                self.at.get(name, lambda: None)()

            return Step(name, carry_out, lambda _: self.undo(host, name))

        def switch() -> None:
            with self.guard:
                self.serving[host] = "new"
                self.at_switch.append(set(self.proven))

        meet = [Step("meet", companions.proven)] if companions else []
        part = [Step("meet", companions.stood)] if companions else []
        steps = [step("prove", lambda: self.proven.add(host)), *meet, step("switch", switch), step("watch"), *part]
        execute(steps, lambda _: None, final=[step("end")])
        return f"{host} serves"  # type: ignore[return-value]  # what it is does not matter here

    def undo(self, host: str, name: str) -> None:
        with self.guard:
            self.undone[host].append(name)
            if name == "switch":
                self.serving[host] = "old"


def release(world: World, *, keep_going: bool = False) -> OnHosts:
    return on_hosts(HOSTS, world.act, keep_going=keep_going)


def test_no_host_switches_before_all_have_proven_the_release() -> None:
    world = World()
    assert release(world).outcomes.keys() == set(HOSTS)
    assert world.serving == dict.fromkeys(HOSTS, "new")
    assert world.at_switch == [set(HOSTS)] * 3


@pytest.mark.parametrize("step", ["prove", "switch", "watch"])
def test_when_one_fails_all_return_to_what_they_served(step: str) -> None:
    world = World(("b", step))
    found = release(world)
    assert world.serving == dict.fromkeys(HOSTS, "old")
    assert not found.outcomes
    assert found.failures.keys() == set(HOSTS)
    with pytest.raises(MldeployError, match="3 of 3 hosts failed") as raised:
        found.raise_failures()
    assert f"b: {step} failed on b" in str(raised.value.cause)
    assert "another host failed" in str(raised.value.cause)
    assert step != "prove" or not world.at_switch


def test_told_to_keep_going_each_host_acts_for_itself() -> None:
    world = World(("b", "watch"))
    found = release(world, keep_going=True)
    assert world.serving == {"a": "new", "b": "old", "c": "new"}
    assert found.outcomes.keys() == {"a", "c"}
    with pytest.raises(MldeployError, match="1 of 3 hosts failed"):
        found.raise_failures()


def test_a_host_that_a_person_must_look_at_is_said_to_be_one() -> None:
    found = OnHosts({}, {"a": MldeployError("no"), "b": NeedsPersonError("look at b", cause="it is stuck")})
    with pytest.raises(NeedsPersonError, match="2 of 2") as raised:
        found.raise_failures()
    assert "it is stuck" in str(raised.value.cause)


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ((ExitCode.LOCKED, ExitCode.LOCKED), ExitCode.LOCKED),
        ((ExitCode.UNREACHABLE, ExitCode.UNREACHABLE), ExitCode.UNREACHABLE),
        ((ExitCode.LOCKED, ExitCode.UNREACHABLE), ExitCode.FAILED),
        ((ExitCode.LOCKED, ExitCode.INTERRUPTED), ExitCode.INTERRUPTED),
        ((ExitCode.NEEDS_PERSON, ExitCode.INTERRUPTED), ExitCode.NEEDS_PERSON),
    ],
)
def test_failures_of_one_kind_keep_their_exit_code(codes: tuple[ExitCode, ...], code: ExitCode) -> None:
    """What only had to undo its part says nothing about the kind."""
    failures = {str(number): MldeployError("no") for number in range(len(codes))}
    for failure, each in zip(failures.values(), codes, strict=True):
        failure.exit_code = each
    with pytest.raises(MldeployError) as raised:
        OnHosts({}, failures | {"parted": PartedError("no")}).raise_failures()
    assert raised.value.exit_code == code


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Sends Ctrl-C once, whoever calls it, and waits until every host's companions were told."""
    main = threading.get_ident()
    told = threading.Semaphore(0)
    over = threading.Event()
    once = threading.Lock()
    part = Companions.part

    def parted(self: Companions, *, interrupted: bool = False) -> None:
        part(self, interrupted=interrupted)
        if interrupted:
            told.release()

    def strike() -> None:
        if once.acquire(blocking=False):
            signal.pthread_kill(main, signal.SIGINT)
            for _ in HOSTS:
                assert told.acquire(timeout=10)
            over.set()
        assert over.wait(10)

    monkeypatch.setattr(Companions, "part", parted)
    return strike


@pytest.mark.parametrize("keep_going", [False, True])
def test_an_interrupt_before_the_end_of_the_watch_undoes_all(interrupt: Callable[[], None], keep_going: bool) -> None:
    world = World()
    world.at["watch"] = interrupt
    found = release(world, keep_going=keep_going)
    assert world.serving == dict.fromkeys(HOSTS, "old")
    with pytest.raises(MldeployError, match="3 of 3 hosts were interrupted") as raised:
        found.raise_failures()
    assert raised.value.exit_code == ExitCode.INTERRUPTED


@pytest.mark.parametrize("keep_going", [False, True])
def test_an_interrupt_after_the_watch_comes_too_late_and_loses_no_outcome(
    interrupt: Callable[[], None], keep_going: bool
) -> None:
    world = World()
    world.at["end"] = interrupt
    found = release(world, keep_going=keep_going)
    assert world.serving == dict.fromkeys(HOSTS, "new")
    assert found.outcomes.keys() == set(HOSTS)
    found.raise_failures()


def test_after_an_interrupt_no_host_begins_and_what_others_came_to_is_told(
    interrupt: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companions, "AT_ONCE", 1)
    world = World()
    world.at["end"] = interrupt
    found = release(world, keep_going=True)
    assert world.serving == {"a": "new", "b": "old", "c": "old"}
    assert found.outcomes.keys() == {"a"}
    with pytest.raises(MldeployError, match="2 of 3 hosts were interrupted"):
        found.raise_failures()


def test_a_defect_in_one_host_does_not_leave_the_others_waiting() -> None:
    def act(host: str, companions: Companions | None) -> Outcome:
        assert companions
        if host == "b":
            raise ZeroDivisionError
        companions.proven()
        raise AssertionError("it met a host that never came")

    with pytest.raises(ZeroDivisionError):
        on_hosts(HOSTS, act, keep_going=False)


def test_a_host_alone_fails_as_it_is() -> None:
    with pytest.raises(MldeployError, match="prove failed on a"):
        on_hosts(["a"], World(("a", "prove")).act, keep_going=False)
