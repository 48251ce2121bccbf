"""Which subnets a run's network may have beside the routes that a host has already."""

from __future__ import annotations

import sys
from ipaddress import IPv4Network

import pytest

from pipeline.executors.docker.networks import POOL, routed_within_pool, subnet_of

HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"


def route(network: str) -> str:
    """A line as Linux writes it: addresses in hexadecimal, in the order of the machine's bytes."""
    parsed = IPv4Network(network)
    address, mask = (int.from_bytes(item.packed, sys.byteorder) for item in (parsed.network_address, parsed.netmask))
    return f"br-1\t{address:08X}\t00000000\t0001\t0\t0\t0\t{mask:08X}\t0\t0\t0\n"


@pytest.mark.parametrize(
    ("networks", "found"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["0.0.0.0/0"], [], id="the default route leads everywhere"),
        pytest.param(["172.17.0.0/16", "10.0.0.0/8"], [], id="elsewhere"),
        pytest.param(["198.18.0.0/15"], [], id="wider than the pool: a company that routes it all"),
        pytest.param(["198.18.55.192/27"], ["198.18.55.192/27"], id="a bridge that a killed engine left"),
        pytest.param(["198.18.9.1/32", "198.18.64.0/18"], ["198.18.9.1/32", "198.18.64.0/18"], id="smaller and larger"),
    ],
)
def test_routes_of_the_host(networks: list[str], found: list[str]) -> None:
    table = HEAD + "".join(map(route, networks))
    assert routed_within_pool(table) == tuple(map(IPv4Network, found))


def test_the_subnets_fill_the_pool_and_begin_again() -> None:
    subnets = [subnet_of(index) for index in range(2048)]
    assert len(set(subnets)) == 2048
    assert all(subnet.subnet_of(POOL) for subnet in subnets)
    assert subnet_of(2048) == subnets[0]
