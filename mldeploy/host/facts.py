"""What is so on a host, read in one round trip."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from mldeploy.host.layout import CADDY_CONTAINER, NETWORK, ROOT

if TYPE_CHECKING:
    from mldeploy.host.executor import Executor

_SCRIPT = r"""
fact() { printf '%s=%s\n' "$1" "$2"; }
. /etc/os-release
fact os "$ID $VERSION_ID"
fact machine "$(uname -m)"
fact clock "$(date +%s)"
fact disk_free_kb "$(df --output=avail -k /var/lib "$1" /var/lib/docker 2>/dev/null | tail -n +2 | sort -n | head -n 1)"
fact memory_free_kb "$(sed -n 's/^MemAvailable: *\([0-9]*\).*/\1/p' /proc/meminfo)"
for limit in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
  [ ! -r "$limit" ] || fact memory_limit "$(cat "$limit")"
done
for usage in /sys/fs/cgroup/memory.current /sys/fs/cgroup/memory/memory.usage_in_bytes; do
  [ ! -r "$usage" ] || fact memory_usage "$(cat "$usage")"
done
for stat in /sys/fs/cgroup/memory.stat /sys/fs/cgroup/memory/memory.stat; do
  [ ! -r "$stat" ] || fact memory_cache "$(sed -n 's/^\(total_\)\{0,1\}inactive_file \(.*\)/\2/p' "$stat" | tail -n 1)"
done
fact apt "$(command -v apt-get)"
fact systemd "$(command -v systemctl)"
fact routes "$(awk 'NR > 1 {print $2 "/" $8}' /proc/net/route | tr '\n' ' ')"
fact prepared "$(cat "$1/prepared" 2>/dev/null)"
if command -v docker >/dev/null 2>&1; then
  fact docker "$(docker version --format '{{.Server.Version}}' 2>/dev/null)"
  fact network "$(docker network inspect --format '{{(index .IPAM.Config 0).Subnet}}' "$2" 2>/dev/null)"
  fact caddy "$(docker inspect --format '{{.State.Status}}' "$3" 2>/dev/null)"
fi
"""


@dataclass(frozen=True)
class Facts:
    """Sizes in bytes, the clock in seconds since 1970. Empty text means: there is none."""

    os: str
    architecture: str
    clock: float
    disk_free: int
    memory_free: int
    has_apt: bool
    has_systemd: bool
    routes: tuple[IPv4Network, ...]
    prepared: str
    docker: str
    network: str
    caddy: str


def gather(executor: Executor) -> Facts:
    printed = executor.run(["sh", "-c", _SCRIPT, "facts", ROOT, NETWORK, CADDY_CONTAINER]).stdout
    return parse(printed)


def parse(printed: str) -> Facts:
    """Facts from what the script printed. Inside a container /proc shows the machine's memory, so the limit counts."""
    raw: dict[str, str] = {}
    for line in printed.splitlines():
        key, _, value = line.partition("=")
        if value:
            raw[key] = value.strip()
    return Facts(
        os=raw.get("os", ""),
        architecture={"x86_64": "amd64", "aarch64": "arm64"}.get(raw.get("machine", ""), raw.get("machine", "")),
        clock=float(raw.get("clock", 0)),
        disk_free=int(raw.get("disk_free_kb", 0)) * 1024,
        memory_free=_memory_free(raw),
        has_apt="apt" in raw,
        has_systemd="systemd" in raw,
        routes=tuple(_route(route) for route in raw.get("routes", "").split()),
        prepared=raw.get("prepared", ""),
        docker=raw.get("docker", ""),
        network=raw.get("network", ""),
        caddy=raw.get("caddy", ""),
    )


def _memory_free(raw: dict[str, str]) -> int:
    free = int(raw.get("memory_free_kb", 0)) * 1024
    limit = raw.get("memory_limit", "max")
    if limit == "max":
        return free
    used = int(raw.get("memory_usage", 0)) - int(raw.get("memory_cache", 0))
    return min(free, int(limit) - used)


def _route(text: str) -> IPv4Network:
    """A route as the kernel prints it: destination and mask in hexadecimal, little endian."""
    destination, mask = (IPv4Address(bytes.fromhex(part)[::-1]) for part in text.split("/"))
    return IPv4Network((int(destination), int(mask).bit_count()))
