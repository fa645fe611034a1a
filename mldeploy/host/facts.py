"""What is so on a host, read in one round trip."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

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
group() {  # the memory of one control group: its limit, what it uses, and the cache it could give back
  [ -r "$1/$2" ] || return 0
  cache="$(sed -n 's/^\(total_\)\{0,1\}inactive_file //p' "$1/memory.stat" | tail -n 1)"
  fact memory_group "$(cat "$1/$2") $(cat "$1/$3") $cache"
}
while IFS=: read -r _ controller path; do
  case "$controller" in "") base=/sys/fs/cgroup ;; memory) base=/sys/fs/cgroup/memory ;; *) continue ;; esac
  path="${path%/}"
  while true; do
    group "$base$path" memory.max memory.current
    group "$base$path" memory.limit_in_bytes memory.usage_in_bytes
    [ -n "$path" ] || break
    path="${path%/*}"
  done
done < /proc/self/cgroup
fact apt "$(command -v apt-get)"
fact systemd "$(command -v systemctl)"
fact ports_taken "$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" {sub(/.*:/, "", $2); print $2}' \
  | grep -x -e 0050 -e 01BB | sort -u | tr '\n' ' ')"
fact routes "$(awk 'NR > 1 {print $2 "/" $8}' /proc/net/route | tr '\n' ' ')"
fact prepared "$(cat "$1/prepared" 2>/dev/null)"
if command -v docker >/dev/null 2>&1; then
  fact docker_installed yes
  fact docker "$(docker version --format '{{.Server.Version}}' 2>/dev/null)"
  fact network "$(docker network inspect --format '{{(index .IPAM.Config 0).Subnet}}' "$2" 2>/dev/null)"
  fact caddy "$(docker inspect --format '{{.State.Status}}' "$3" 2>/dev/null)"
fi
"""


@dataclass(frozen=True)
class Facts:
    """Sizes in bytes, the clock in seconds since 1970. Empty text means: there is none.

    `ports_taken` are those of 80 and 443 on which anybody listens, Caddy too.
    """

    os: str
    architecture: str
    clock: float
    disk_free: int
    memory_free: int
    has_apt: bool
    has_systemd: bool
    routes: tuple[IPv4Network, ...]
    ports_taken: tuple[int, ...]
    prepared: str
    docker_installed: bool
    docker: str
    network: str
    caddy: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"routes": [str(route) for route in self.routes]}


def gather(executor: Executor) -> Facts:
    printed = executor.run(["sh", "-c", _SCRIPT, "facts", ROOT, NETWORK, CADDY_CONTAINER]).stdout
    return parse(printed)


def parse(printed: str) -> Facts:
    """Facts from what the script printed."""
    raw: dict[str, str] = {}
    groups: list[str] = []
    for line in printed.splitlines():
        key, _, value = line.partition("=")
        if key == "memory_group":
            groups.append(value)
        elif value:
            raw[key] = value.strip()
    return Facts(
        os=raw.get("os", ""),
        architecture={"x86_64": "amd64", "aarch64": "arm64"}.get(raw.get("machine", ""), raw.get("machine", "")),
        clock=float(raw.get("clock", 0)),
        disk_free=int(raw.get("disk_free_kb", 0)) * 1024,
        memory_free=_memory_free(int(raw.get("memory_free_kb", 0)) * 1024, groups),
        has_apt="apt" in raw,
        has_systemd="systemd" in raw,
        routes=tuple(_route(route) for route in raw.get("routes", "").split()),
        ports_taken=tuple(int(port, 16) for port in raw.get("ports_taken", "").split()),
        prepared=raw.get("prepared", ""),
        docker_installed="docker_installed" in raw,
        docker=raw.get("docker", ""),
        network=raw.get("network", ""),
        caddy=raw.get("caddy", ""),
    )


def _memory_free(machine: int, groups: list[str]) -> int:
    """Inside a container /proc shows the whole machine, so the tightest control group counts as well."""
    free = [machine]
    for group in groups:
        limit, used, *cache = group.split()
        if limit != "max":
            free.append(int(limit) - int(used) + int(cache[0] if cache else 0))
    return min(free)


def _route(text: str) -> IPv4Network:
    """A route as the kernel prints it: destination and mask in hexadecimal, little endian."""
    destination, mask = (IPv4Address(bytes.fromhex(part)[::-1]) for part in text.split("/"))
    return IPv4Network((int(destination), int(mask).bit_count()))
