"""Which runs must stay, because something that lives refers to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipeline.model.release import Promotion
from pipeline.model.run import Run
from pipeline.model.status import PROMOTION_MOVES, PromotionState
from pipeline.operations.inspect import removals
from pipeline.ports.executor import Leftover
from pipeline.ports.records import Records

_ALL = 1_000_000


def held_by_releases(records: Records) -> frozenset[str]:
    """Runs that made or deployed what is live in some environment, what that replaced (a rollback would want it), or
    what is on its way there."""
    releases = {release.id: release for release in records.releases(limit=_ALL)}
    latest: dict[tuple[str, str], Promotion] = {}
    under_way: list[Promotion] = []
    for promotion in records.promotions(limit=_ALL):
        release = releases.get(promotion.release)
        if promotion.state is PromotionState.DEPLOYED:
            latest.setdefault((release.repository if release else "", promotion.environment), promotion)
        elif PROMOTION_MOVES[promotion.state]:
            under_way.append(promotion)
    removed = removals(records, latest.values())
    live = [promotion for promotion in latest.values() if promotion.id not in removed]
    held: set[str] = set()
    for promotion in (*live, *under_way):
        held.add(promotion.run)
        held |= {releases[item].run for item in (promotion.release, promotion.replaces) if item in releases}
    return frozenset(held - {""})


def held_by_runs(unfinished: Iterable[Run]) -> frozenset[str]:
    """Runs that are not over, and those whose results they reuse."""
    held: set[str] = set()
    for run in unfinished:
        held |= {run.id, *(stage.reused for stage in run.stages)}
    return frozenset(held - {""})


def held_by_remains(
    leftovers: Mapping[str, Iterable[Leftover]], going: Mapping[str, Iterable[Leftover]]
) -> frozenset[str]:
    """Runs of which something is kept on purpose for a person to look into, and is not going now."""
    return frozenset(
        item.run for name, items in leftovers.items() for item in items if item.kept and item not in going.get(name, ())
    )
