"""Hosts that act together: all switch or none, whichever of them fails, and at which step."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from mldeploy.errors import MldeployError, NeedsPersonError
from mldeploy.plan import Step, execute
from mldeploy.release.companions import Companions, OnHosts, on_hosts

if TYPE_CHECKING:
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

    def act(self, host: str, companions: Companions | None) -> Outcome:
        def step(name: str, do: Any = None) -> Step:
            def carry_out() -> None:
                if (host, name) in self.failing:
                    raise MldeployError(f"{name} failed on {host}")
                if do:
                    do()

            return Step(name, carry_out, lambda _: self.undo(host, name))

        def switch() -> None:
            with self.guard:
                self.serving[host] = "new"
                self.at_switch.append(set(self.proven))

        meet = [Step("meet", companions.proven)] if companions else []
        part = [Step("meet", companions.stood)] if companions else []
        steps = [step("prove", lambda: self.proven.add(host)), *meet, step("switch", switch), step("watch"), *part]
        execute(steps, lambda _: None)
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
