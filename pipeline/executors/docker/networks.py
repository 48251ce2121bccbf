"""Networks of a run or of one stage, each in a small subnet of its own."""

from __future__ import annotations

import ipaddress
import random
from typing import TYPE_CHECKING, Any

from pipeline.dockerapi import translating
from pipeline.errors import EngineError
from pipeline.model.identity import ROLE_NETWORK, RunIdentity

if TYPE_CHECKING:
    from docker import APIClient

POOL = ipaddress.ip_network("198.18.0.0/16")
"""Set aside for tests of network gear (RFC 2544): no company routes it, so it hides nobody's hosts."""
SMALL = 27
TRIES = 20


def create_network(client: APIClient, run: RunIdentity, *parts: str) -> str:
    """A bridge network of its own, in a /27 of POOL that nobody on this engine uses; returns its name.

    An engine's default pool holds about 30 networks, too few for a busy team; a /27 holds 29 containers.
    One of that name left by a killed runner is taken over. Raises EngineError and kin.
    """
    name = run.name(*parts)
    sdk: Any = client
    with translating(f"create network {name}"):
        start = random.randrange(1 << (SMALL - POOL.prefixlen))  # noqa: S311 (spreads runs, guards nothing)
        words = ""
        for step in range(TRIES):
            answer = sdk._post_json(sdk._url("/networks/create"), data=_body(name, run, start + step * 37))
            if answer.ok:
                return name
            words = answer.text
            if answer.status_code == 409:
                return name
            if "overlap" not in words:
                sdk._raise_for_status(answer)
    raise EngineError(
        f"cannot create network {name}: {TRIES} small subnets of {POOL} are taken: {words.strip()}",
        hint="`docker network prune` removes what nobody uses",
    )


def _body(name: str, run: RunIdentity, index: int) -> dict[str, Any]:
    count = 1 << (SMALL - POOL.prefixlen)
    subnet = ipaddress.ip_network((int(POOL.network_address) + (index % count) * (1 << (32 - SMALL)), SMALL))
    return {
        "Name": name,
        "CheckDuplicate": True,
        "Driver": "bridge",
        "Labels": run.labels(ROLE_NETWORK),
        "IPAM": {"Config": [{"Subnet": str(subnet)}]},
    }
