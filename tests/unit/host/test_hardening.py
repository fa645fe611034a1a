"""What `host setup` and `host check` make of a machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mldeploy.errors import MldeployError
from mldeploy.host.check import check_facts
from mldeploy.host.hardening import _digest, firewall, hardening_steps, parse
from tests.unit.host.test_setup import WHOLE
from tests.unit.local_executor import LocalExecutor

BARE = parse("ssh_port=2222\nssh_port=22\nmemory_kb=1000000\n")
HEALTHY = replace(WHOLE, memory_free=10**9, clock=1000.0)


def says(hardness_text: str) -> list[str]:
    return [step.says for step in hardening_steps(LocalExecutor(), parse(hardness_text), lambda: None)]


def test_a_bare_machine_gets_all_and_ssh_keeps_every_port_it_has() -> None:
    assert says("ssh_port=2222\nssh_port=22\nmemory_kb=1000000\n") == [
        "1024 MB of swap",
        "security updates by themselves",
        "the user deploy",
        "a firewall that leaves SSH (22, 2222), 80 and 443",
    ]
    assert "tcp dport { 22, 80, 443, 2222 } accept" in firewall(BARE.ssh_ports)


def test_what_is_there_is_not_done_again() -> None:
    done = replace(
        BARE, needs_swap=False, has_updates=True, has_deploy_user=True, firewall=_digest(firewall(BARE.ssh_ports))
    )
    assert hardening_steps(LocalExecutor(), done, lambda: None) == []


def test_rules_that_are_no_longer_loaded_are_loaded_again() -> None:
    digest = _digest(firewall((22,)))
    assert not parse(f"ssh_port=22\nfirewall_config={digest}\n").has_firewall()
    assert parse(f"ssh_port=22\nfirewall_config={digest}\nfirewall=table inet mldeploy\n").has_firewall()


def test_a_firewall_of_the_owner_is_left_alone() -> None:
    assert parse("ssh_port=22\nother_firewall=Status: active\n").has_firewall()


def test_large_machines_containers_and_those_with_swap_get_none() -> None:
    for text in ("memory_kb=8000000", "memory_kb=1000000\ncontainer=docker", "memory_kb=1000000\nswap=/dev/vda2"):
        assert not parse(text).needs_swap


def test_no_firewall_is_set_where_the_port_of_ssh_is_not_known() -> None:
    with pytest.raises(MldeployError, match="on which port SSH listens"):
        hardening_steps(LocalExecutor(), parse("memory_kb=1\n"), lambda: None)


def test_a_healthy_machine_has_no_problem() -> None:
    assert check_facts(HEALTHY, now=1000) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"architecture": "riscv64"}, "riscv64"),
        ({"docker": ""}, "does not answer"),
        ({"docker": "19.3.1"}, "20.10 is the oldest"),
        ({"caddy": "exited"}, "nobody is served"),
        ({"caddy": "", "ports_taken": (80,)}, "something else listens on 80"),
        ({"disk_free": 10**9}, "1.0 GB of disk"),
        ({"memory_free": 10**8}, "100 MB of memory"),
        ({"clock": 1100.0}, "100 s ahead"),
    ],
)
def test_a_problem_is_said_with_its_remedy(wrong: dict[str, object], said: str) -> None:
    problems = check_facts(replace(HEALTHY, **wrong), now=1000)  # type: ignore[arg-type]
    assert said in " ".join(problem.what for problem in problems)
    assert all(problem.remedy for problem in problems)
