"""What the rig's parts are called and where they are reached: pure choices, so that two checkouts never clash."""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import itertools
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.rig.shell import RigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

# Kept for benchmarks (RFC 2544), so neither offices, clouds nor Docker, here and inside the VM, use it.
SUBNETS = ipaddress.IPv4Network("198.18.0.0/15")
# For SSH, HTTP and HTTPS: the usual port, and one for where a service of this machine has that on every address.
PORTS = ((22, 2222), (80, 8080), (443, 8443))


@dataclass(frozen=True)
class Names:
    """Names of one checkout's parts; all of them carry `label`."""

    prefix: str

    @property
    def network(self) -> str:
        return self.prefix

    @property
    def registry(self) -> str:
        return f"{self.prefix}-registry"

    @property
    def vm(self) -> str:
        return f"{self.prefix}-vm"

    @property
    def second_vm(self) -> str:
        return f"{self.prefix}-vm-2"

    @property
    def label(self) -> str:
        return f"mldeploy.rig={self.prefix}"


@dataclass(frozen=True)
class Published:
    """A loopback address, and the ports there that lead to 22, 80 and 443 of the VM."""

    address: str
    ssh_port: int
    http_port: int
    https_port: int

    @property
    def ports(self) -> tuple[int, int, int]:
        return self.ssh_port, self.http_port, self.https_port

    @property
    def url(self) -> str:
        return f"http://{self.address}" + ("" if self.http_port == 80 else f":{self.http_port}")

    @property
    def secure_url(self) -> str:
        return f"https://{self.address}" + ("" if self.https_port == 443 else f":{self.https_port}")


def names_of(checkout: Path) -> Names:
    return Names(f"mldeploy-rig-{_digest(checkout)[:8]}")


def subnets_of(checkout: Path) -> Iterator[ipaddress.IPv4Network]:
    """All subnets the rig's network may have, beginning at one that depends on the checkout."""
    candidates = list(SUBNETS.subnets(new_prefix=24))
    start = int(_digest(checkout), 16) % len(candidates)
    yield from candidates[start:]
    yield from candidates[:start]


def parse_routes(table: str) -> list[ipaddress.IPv4Network]:
    """Read the subnets that this machine has routes to from the text of /proc/net/route."""
    rows = [line.split() for line in table.splitlines()[1:]]
    routes = [(int(row[1], 16), int(row[7], 16)) for row in rows if len(row) > 7]
    return [ipaddress.IPv4Network((_address(destination), _address(mask))) for destination, mask in routes if mask != 0]


def choose_subnet(
    candidates: Iterable[ipaddress.IPv4Network], taken: Iterable[ipaddress.IPv4Network]
) -> ipaddress.IPv4Network:
    """Choose the first of `candidates` that overlaps none of `taken`."""
    taken = list(taken)
    for candidate in candidates:
        if not any(candidate.overlaps(other) for other in taken):
            return candidate
    raise RigError("no subnet is free for the rig's network", cause=f"all of {SUBNETS} is routed elsewhere")


def addresses(is_free: Callable[[str, int], bool]) -> Iterator[Published]:
    """All places where the VM's ports can be published, the plainest first."""
    for ports in itertools.product(*PORTS):
        for last in range(2, 255):
            address = f"127.0.0.{last}"
            if all(is_free(address, port) for port in ports):
                yield Published(address, *ports)


def is_free(address: str, port: int) -> bool:
    """Whether nobody listens on `address`:`port`."""
    with socket.socket() as listener:
        # Connections that ended a moment ago do not hold the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
        except PermissionError:
            return _refuses(address, port)
        except OSError as failure:
            if failure.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def _address(little_endian: int) -> str:
    return str(ipaddress.IPv4Address(little_endian.to_bytes(4, "little")))


def _refuses(address: str, port: int) -> bool:
    """For a user who may not bind low ports."""
    with socket.socket() as caller:
        caller.settimeout(1)
        return caller.connect_ex((address, port)) == errno.ECONNREFUSED


def _digest(checkout: Path) -> str:
    return hashlib.sha256(str(checkout.resolve()).encode()).hexdigest()
