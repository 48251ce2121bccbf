"""The containers of an environment behind a proxy, and which of them stand for what: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.targets.docker.engines import Engine
from pipeline.targets.docker.fleet import Deployed
from pipeline.targets.haproxy.backend import Server


@dataclass(frozen=True, kw_only=True, slots=True)
class Replica:
    """One container, the engine that it runs on, and its server in the proxy, where it has one."""

    deployed: Deployed
    engine: Engine
    server: Server | None

    @property
    def promotion(self) -> str:
        """Which promotion brought it in."""
        return self.deployed.promotion

    @property
    def serving(self) -> bool:
        """Whether new requests go to it."""
        return self.deployed.running and self.server is not None and self.server.serving

    @property
    def weight(self) -> int:
        """Its part of the traffic against the others' parts."""
        return self.server.weight if self.server and self.serving else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What a promotion finds: its own containers, those of the version that it replaces, and what is left over."""

    mine: tuple[Replica, ...]
    base: tuple[Replica, ...]
    rest: tuple[Replica, ...]


def standing(replicas: Sequence[Replica], promotion: str) -> Standing:
    """Sort them out. The base is what this promotion said that it replaces, else the version with most of the traffic.

    Where nothing serves (a promoter was killed, the proxy lost its servers, somebody stopped the containers), it is
    what another promotion was to replace, else the newest, running ones first.
    """
    mine = tuple(item for item in replicas if item.promotion == promotion)
    others = [item for item in replicas if item.promotion != promotion]
    base = _base(mine, others)
    return Standing(
        mine=mine,
        base=tuple(item for item in others if item.promotion == base),
        rest=tuple(item for item in others if item.promotion != base),
    )


def shares(replicas: Iterable[Replica]) -> dict[str, int]:
    """Percent of the traffic by promotion."""
    weights: dict[str, int] = {}
    for item in replicas:
        weights[item.promotion] = weights.get(item.promotion, 0) + item.weight
    total = sum(weights.values())
    return {name: round(100 * weight / total) if total else 0 for name, weight in weights.items()}


def _base(mine: Sequence[Replica], others: Sequence[Replica]) -> str:
    names = list(dict.fromkeys(item.promotion for item in others))
    if mine and mine[0].deployed.replaces in names:
        return mine[0].deployed.replaces
    share = shares(others)
    if any(share.values()):
        return max(names, key=lambda name: share[name])
    replaced = {item.deployed.replaces for item in (*mine, *others)}
    running = {item.promotion for item in others if item.deployed.running}
    ranked = sorted(names, key=lambda name: (name in replaced, name in running))
    return ranked[-1] if ranked else ""
