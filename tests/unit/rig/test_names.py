from __future__ import annotations

import socket
from ipaddress import IPv4Network
from itertools import islice
from pathlib import Path

import pytest

from tests.rig import RigError
from tests.rig.names import Published, addresses, choose_subnet, is_free, names_of, parse_routes, subnets_of

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""


def test_two_checkouts_have_different_names_and_begin_at_different_subnets() -> None:
    one, other = Path("/srv/one"), Path("/srv/other")
    assert names_of(one) == names_of(one)
    assert names_of(one).vm != names_of(other).vm
    assert next(subnets_of(one)) != next(subnets_of(other))


def test_routes_are_read_without_the_default_route() -> None:
    assert parse_routes(ROUTES) == [IPv4Network("192.168.1.0/24"), IPv4Network("172.17.0.0/16")]


def test_a_subnet_that_is_routed_elsewhere_is_passed_over() -> None:
    first, second, third = islice(subnets_of(Path("/srv/one")), 3)
    assert choose_subnet([first, second, third], [first, IPv4Network((second.network_address, 28))]) == third


def test_a_machine_that_routes_everything_is_refused() -> None:
    with pytest.raises(RigError):
        choose_subnet(subnets_of(Path("/srv/one")), [IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1")])


def test_the_first_address_with_all_three_ports_free_is_chosen() -> None:
    taken = {("127.0.0.2", 80), ("127.0.0.3", 22)}
    chosen = next(addresses(lambda address, port: (address, port) not in taken))
    assert chosen == Published("127.0.0.4", 22, 80, 443)
    assert chosen.url == "http://127.0.0.4"


@pytest.mark.parametrize(
    ("everywhere", "chosen", "url"),
    [
        ({22}, Published("127.0.0.2", 2222, 80, 443), "http://127.0.0.2"),
        ({22, 80, 8443}, Published("127.0.0.2", 2222, 8080, 443), "http://127.0.0.2:8080"),
    ],
)
def test_a_port_that_a_service_has_on_every_address_is_replaced(
    everywhere: set[int], chosen: Published, url: str
) -> None:
    assert next(addresses(lambda _address, port: port not in everywhere)) == chosen
    assert chosen.url == url


def test_a_port_is_taken_while_somebody_listens_and_no_longer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        with socket.create_connection(("127.0.0.1", port)):
            listener.accept()[0].close()
    assert is_free("127.0.0.1", port)
