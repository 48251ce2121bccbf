"""Networks of a run or of one stage, each in a small subnet of its own."""

from __future__ import annotations

import ipaddress
import random
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import post, status_of, translating
from pipeline.errors import EngineError
from pipeline.model.identity import ROLE_NETWORK, RunIdentity

if TYPE_CHECKING:
    from docker import APIClient

POOL = ipaddress.IPv4Network("198.18.0.0/16")
"""Set aside for tests of network gear (RFC 2544): no company routes it, so it hides nobody's hosts."""
SMALL = 27
TRIES = 20
TAKEN = 409
ROUTES = Path("/proc/net/route")
"""The routes of this host, see proc_pid_net(5); an engine asks only for overlaps with its own networks."""


def create_network(client: APIClient, run: RunIdentity, *parts: str) -> str:
    """A bridge network of its own, in a /27 of POOL that nobody on this engine and this host uses; returns its name.

    An engine's default pool holds about 30 networks, too few for a busy team; a /27 holds 29 containers.
    One of that name left by a killed runner is taken over. Raises EngineError and kin.
    """
    name = run.name(*parts)
    with translating(f"create network {name}"):
        start = random.randrange(1 << (SMALL - POOL.prefixlen))  # noqa: S311 (spreads runs, guards nothing)
        words = ""
        routed = _routed()
        for index in _free(start, routed):
            try:
                post(client, "/networks/create", _body(name, run, index))
            except Exception as error:
                words = str(getattr(error, "explanation", ""))
                if status_of(error) != TAKEN and "overlap" not in words:
                    raise
                if "overlap" in words:
                    continue
            return name
    raise EngineError(
        f"cannot create network {name}: {TRIES} small subnets of {POOL} are taken: {words.strip()}",
        hint="`docker network prune` removes what nobody uses",
    )


def subnet_of(index: int) -> ipaddress.IPv4Network:
    """The subnet of this number; numbers beyond the pool begin again."""
    count = 1 << (SMALL - POOL.prefixlen)
    return ipaddress.IPv4Network((int(POOL.network_address) + (index % count) * (1 << (32 - SMALL)), SMALL))


def routed_within_pool(table: str) -> tuple[ipaddress.IPv4Network, ...]:
    """The networks of POOL that a table of routes (the text of `/proc/net/route`) has a way to.

    An engine that was killed leaves its bridges behind, and a second engine on the host has some of its own: a new
    bridge with the same subnet would get no answers. Addresses are hexadecimal in the order of the machine's bytes.
    """
    found = []
    for line in table.splitlines()[1:]:
        words = line.split()
        if len(words) < 8:
            continue
        address, mask = (int.from_bytes(bytes.fromhex(words[at]), sys.byteorder) for at in (1, 7))
        network = ipaddress.IPv4Network((address, mask.bit_count()), strict=False)
        if network.prefixlen > POOL.prefixlen and network.subnet_of(POOL):
            found.append(network)
    return tuple(found)


def _free(start: int, routed: Sequence[ipaddress.IPv4Network]) -> Iterator[int]:
    """Numbers of subnets to try, without those that this host has routes to."""
    steps = (start + step * 37 for step in range(1 << (SMALL - POOL.prefixlen)))
    return islice((index for index in steps if not any(subnet_of(index).overlaps(item) for item in routed)), TRIES)


def _routed() -> tuple[ipaddress.IPv4Network, ...]:
    try:
        return routed_within_pool(ROUTES.read_text())
    except (OSError, ValueError):  # not Linux, or not for us to read: the engine's own answer has to do
        return ()


def _body(name: str, run: RunIdentity, index: int) -> dict[str, Any]:
    subnet = subnet_of(index)
    return {
        "Name": name,
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Labels": run.labels(ROLE_NETWORK),
        "IPAM": {"Config": [{"Subnet": str(subnet)}]},
    }
