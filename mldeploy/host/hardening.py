"""What `host setup` does beyond what a release needs: updates, a firewall, swap, a user to deploy as.

Each part is looked at first, so that a second run changes nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mldeploy.errors import MldeployError
from mldeploy.host.commands import files, system
from mldeploy.plan import Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from mldeploy.host.executor import Executor

DEPLOY_USER = "deploy"
UPDATES_CONFIG = "/etc/apt/apt.conf.d/20auto-upgrades"
UPDATES = 'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'
FIREWALL_CONFIG = "/etc/mldeploy/firewall.nft"
FIREWALL_UNIT = "mldeploy-firewall.service"
FIREWALL_SERVICE = f"""[Unit]
Description=What may come to this machine
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft --file {FIREWALL_CONFIG}

[Install]
WantedBy=multi-user.target
"""
FIREWALL_TABLE = "mldeploy"
SMALL_MEMORY_KB = 2_100_000
SWAP_MEGABYTES = 1024

_SCRIPT = r"""
fact() { printf '%s=%s\n' "$1" "$2"; }
pid=$$  # sudo empties the environment, and keeps its own
while [ "$pid" -gt 1 ]; do
  port="$(tr '\0' '\n' < "/proc/$pid/environ" 2>/dev/null | sed -n 's/^SSH_CONNECTION=.* //p')"
  [ -z "$port" ] || { fact ssh_port "$port"; break; }
  pid="$(sed -n 's/^PPid:\t//p' "/proc/$pid/status")"
done
sshd -T 2>/dev/null | sed -n 's/^port /ssh_port=/p'
fact memory_kb "$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo)"
fact swap "$(tail -n +2 /proc/swaps | head -n 1)"
fact container "$(systemd-detect-virt --container 2>/dev/null | grep -v none)"
fact updates "$(dpkg-query --show --showformat '${db:Status-Abbrev}' unattended-upgrades 2>/dev/null)"
fact updates_config "$(sha256sum "$1" 2>/dev/null | cut -c -64)"
fact firewall_config "$(sha256sum "$2" 2>/dev/null | cut -c -64)"
fact firewall "$(nft list table inet "$3" 2>/dev/null | head -n 1)"
others="$({ ufw status; systemctl is-active firewalld; } 2>/dev/null)"
fact other_firewall "$(printf '%s' "$others" | grep -x -e 'Status: active' -e active)"
[ -e "/etc/sudoers.d/$4.new" ] || fact deploy_user "$(id -u "$4" 2>/dev/null)"
"""


@dataclass(frozen=True)
class Hardness:
    """How far a machine is. `ssh_ports` are those by which people may be connected now."""

    ssh_ports: tuple[int, ...]
    needs_swap: bool
    has_updates: bool
    has_deploy_user: bool
    firewall: str
    other_firewall: bool

    def has_firewall(self) -> bool:
        """One that the machine's owner keeps is theirs: ours beside it would close what they opened."""
        return self.other_firewall or self.firewall == _digest(firewall(self.ssh_ports))


def look(executor: Executor) -> Hardness:
    argv = ["sh", "-c", _SCRIPT, "look", UPDATES_CONFIG, FIREWALL_CONFIG, FIREWALL_TABLE, DEPLOY_USER]
    return parse(executor.run(argv).stdout)


def parse(printed: str) -> Hardness:
    raw: dict[str, str] = {}
    ports = set()
    for line in printed.splitlines():
        key, _, value = line.partition("=")
        if key == "ssh_port":
            ports.add(int(value))
        else:
            raw[key] = value.strip()
    # A container shares the swap of the machine that it is on.
    small = int(raw.get("memory_kb") or 0) < SMALL_MEMORY_KB
    return Hardness(
        ssh_ports=tuple(sorted(ports)),
        needs_swap=small and not raw.get("swap") and not raw.get("container"),
        has_updates=raw.get("updates", "").startswith("ii") and raw.get("updates_config") == _digest(UPDATES),
        has_deploy_user=bool(raw.get("deploy_user")),
        firewall=raw.get("firewall_config", "") if raw.get("firewall") else "",
        other_firewall=bool(raw.get("other_firewall")),
    )


def hardening_steps(executor: Executor, found: Hardness, reconnect: Callable[[], None]) -> list[Step]:
    """The steps this machine still needs. `reconnect` opens another connection to it, and raises when it cannot.

    Raises MldeployError when it is not known on which port SSH listens: a firewall might then lock people out.
    """
    steps = []
    if found.needs_swap:
        steps.append(Step(f"{SWAP_MEGABYTES} MB of swap", lambda: _run(executor, system.make_swap(SWAP_MEGABYTES))))
    if not found.has_updates:
        steps.append(Step("security updates by themselves", lambda: _install_updates(executor)))
    if not found.has_deploy_user:
        steps.append(Step(f"the user {DEPLOY_USER}", lambda: _make_user(executor)))
    if not found.has_firewall():
        if not found.ssh_ports:
            raise MldeployError(
                f"it is not known on which port SSH listens on {executor.name}",
                cause="neither this connection nor `sshd -T` says",
                remedy="Run `sshd -T` there and mend what it complains of. Nothing was changed.",
            )
        says = f"a firewall that leaves SSH ({', '.join(map(str, found.ssh_ports))}), 80 and 443"
        steps.append(Step(says, lambda: _guard(executor, found, reconnect)))
    return steps


def firewall(ssh_ports: tuple[int, ...]) -> str:
    """The rules for what comes to the machine itself. What Docker forwards is Docker's."""
    ports = ", ".join(str(port) for port in sorted({*ssh_ports, 80, 443}))
    return f"""table inet {FIREWALL_TABLE}
delete table inet {FIREWALL_TABLE}
table inet {FIREWALL_TABLE} {{
	chain input {{
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iif lo accept
		meta l4proto {{ icmp, ipv6-icmp }} accept
		udp dport {{ 68, 546 }} accept
		tcp dport {{ {ports} }} accept
	}}
}}
"""


def _guard(executor: Executor, found: Hardness, reconnect: Callable[[], None]) -> str:
    """Set the rules for a minute, come in anew through them, and only then keep them."""
    executor.run(system.install("nftables"), deadline=300)
    executor.run(files.make_folders(str(PurePosixPath(FIREWALL_CONFIG).parent)))
    executor.run(files.write(f"/etc/systemd/system/{FIREWALL_UNIT}"), stdin=FIREWALL_SERVICE)
    executor.run(files.write(f"{FIREWALL_CONFIG}.trial"), stdin=firewall(found.ssh_ports))
    executor.run(system.try_firewall(f"{FIREWALL_CONFIG}.trial", FIREWALL_TABLE))
    reconnect()
    executor.run(system.keep_firewall(f"{FIREWALL_CONFIG}.trial", FIREWALL_CONFIG, FIREWALL_UNIT))
    return "tried by a second connection"


def _install_updates(executor: Executor) -> None:
    executor.run(system.install("unattended-upgrades"), deadline=300)
    executor.run(files.write(UPDATES_CONFIG), stdin=UPDATES)


def _make_user(executor: Executor) -> str:
    executor.run(system.install("sudo"), deadline=300)
    executor.run(system.make_user(DEPLOY_USER))
    return f'with your key and sudo: write `user = "{DEPLOY_USER}"` under the host in mldeploy.toml'


def _run(executor: Executor, argv: list[str]) -> None:
    executor.run(argv, deadline=120)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
