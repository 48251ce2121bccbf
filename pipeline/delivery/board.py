"""The board: every environment as a level, what is live there, what is on its way, and what may come next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline.model.decision import Block
from pipeline.model.definition import EnvironmentDefinition
from pipeline.model.gate import Verdict
from pipeline.model.release import Promotion, PromotionKind, Release
from pipeline.model.status import PROMOTION_MOVES, PromotionState


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A release that has come through all levels before and is not here yet. `since`: when it had.

    `verdict` is None where nobody has judged it."""

    release: Release
    since: datetime
    verdict: Verdict | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class UnderWay:
    """A promotion, and of one that waits what is missing: gate to reason, as its gates said last."""

    promotion: Promotion
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """One environment. `depth` counts the levels before it: 0 is where releases enter."""

    environment: str
    depth: int
    after: tuple[str, ...]
    live: Promotion | None
    release: Release | None
    """What is live; None where nothing is, or where the release is not recorded."""
    under_way: tuple[UnderWay, ...]
    """Promotions that have not come to their end, oldest first."""
    last: Promotion | None
    """The newest promotion that ended without bringing anything in, where it is newer than what is live."""
    blocks: tuple[Block, ...]
    """Holds, bars and freezes that are open."""
    candidate: Candidate | None
    ends: datetime | None = None
    """When a review environment is over, unless it is deployed to again."""


def review_end(environment: EnvironmentDefinition, live: Promotion | None) -> datetime | None:
    """When a review environment in which that is live is over; None for one that stays."""
    if environment.review is None or not environment.instance_of or live is None:
        return None
    return (live.finished or live.created) + timedelta(seconds=environment.review.lasting)


def levels(
    environments: Sequence[EnvironmentDefinition],
    promotions: Sequence[Promotion],
    releases: Mapping[str, Release],
    blocks: Sequence[Block],
    *,
    live: Mapping[str, Promotion],
    missing: Mapping[str, Mapping[str, str]],
    now: datetime,
) -> tuple[Level, ...]:
    """From the lowest level to the highest; promotions are given newest first, `live` by environment, `missing` by
    promotion."""
    depths = _depths(environments)
    ordered = sorted(environments, key=lambda item: depths[item.name])
    return tuple(
        _level(item, depths[item.name], promotions, releases, blocks, live=live, missing=missing, now=now)
        for item in ordered
    )


def _depths(environments: Sequence[EnvironmentDefinition]) -> dict[str, int]:
    known = {item.name: item for item in environments}
    depths: dict[str, int] = {}

    def depth(name: str, path: frozenset[str]) -> int:
        if name not in depths:
            before = [other for other in known[name].after if other in known and other not in path]
            depths[name] = 1 + max((depth(other, path | {name}) for other in before), default=-1)
        return depths[name]

    for item in environments:
        depth(item.name, frozenset({item.name}))
    return depths


def _level(
    environment: EnvironmentDefinition,
    depth: int,
    promotions: Sequence[Promotion],
    releases: Mapping[str, Release],
    blocks: Sequence[Block],
    *,
    live: Mapping[str, Promotion],
    missing: Mapping[str, Mapping[str, str]],
    now: datetime,
) -> Level:
    own = [item for item in promotions if item.environment == environment.name]
    here = live.get(environment.name)
    moving = [item for item in reversed(own) if PROMOTION_MOVES[item.state]]
    candidate = _candidate(environment, promotions, releases, live, here, moving)
    newest = next((item for item in own if not PROMOTION_MOVES[item.state]), None)
    failed = newest is not None and newest is not here and newest.state is not PromotionState.DEPLOYED
    newer = failed and newest is not None and (here is None or newest.created > here.created)
    return Level(
        environment=environment.name,
        depth=depth,
        after=environment.after,
        live=here,
        release=releases.get(here.release) if here else None,
        under_way=tuple(UnderWay(promotion=item, missing=missing.get(item.id, {})) for item in moving),
        last=newest if newer else None,
        blocks=tuple(item for item in blocks if _concerns(item, environment.name, now)),
        candidate=candidate,
        ends=review_end(environment, here),
    )


def _candidate(
    environment: EnvironmentDefinition,
    promotions: Sequence[Promotion],
    releases: Mapping[str, Release],
    live: Mapping[str, Promotion],
    here: Promotion | None,
    under_way: Sequence[Promotion],
) -> Candidate | None:
    """What is live on the level before, where it has been on all levels that this one comes after."""
    if not environment.after or environment.after[0] not in live:
        return None
    release = live[environment.after[0]].release
    if release not in releases or (here is not None and here.release == release):
        return None
    if any(item.release == release for item in under_way):
        return None
    arrivals = []
    for name in environment.after:
        arrived = [
            item.finished
            for item in promotions
            if item.environment == name
            and item.release == release
            and item.state is PromotionState.DEPLOYED
            and item.kind is not PromotionKind.ROLLBACK
            and item.finished is not None
        ]
        if not arrived:
            return None
        arrivals.append(min(arrived))
    return Candidate(release=releases[release], since=max(arrivals))


def _concerns(block: Block, environment: str, now: datetime) -> bool:
    return (not block.environment or block.environment == environment) and block.blocks(
        block.release, environment=environment, now=now
    )
