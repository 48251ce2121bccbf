"""Which finished runs have had their time: by age, by number, and by the room that all blobs take. Pure decisions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.model.history import RunOutline
from pipeline.model.status import RunState
from pipeline.settings import Settings

LEAST = 10
"""The newest finished runs of every repository stay, whatever their age and size: times and comparisons need them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """How long runs stay; 0 means without bound. `days` since their end, `most` of each repository, `room` in bytes of
    all blobs together."""

    days: float = 0
    most: int = 0
    room: int = 0

    @staticmethod
    def of(settings: Settings) -> Rule:
        """That of this machine."""
        return Rule(days=settings.keep_runs_days, most=settings.keep_runs_most, room=settings.storage_limit)


def due(
    runs: Sequence[RunOutline],
    rule: Rule,
    *,
    held: Collection[str],
    now: datetime,
    blobs: Mapping[str, Collection[str]],
    sizes: Mapping[str, int],
    elsewhere: Collection[str] = (),
) -> frozenset[str]:
    """Ids of the runs (given newest first) that may go: finished, not held, and outside of the rule.

    `blobs` are the digests that each run names, `sizes` those of all blobs, `elsewhere` digests that something else
    names, so that forgetting a run gives no room for them.
    """
    finished: dict[str, list[RunOutline]] = defaultdict(list)
    for run in runs:
        if run.state is RunState.DONE:
            finished[run.repository].append(run)
    free = [run for mine in finished.values() for run in mine[LEAST:] if run.run not in held]
    going = {run.run for run in free if rule.days and (run.ended or run.created) < now - timedelta(days=rule.days)}
    if rule.most:
        going |= {run.run for mine in finished.values() for run in mine[max(rule.most, LEAST) :] if run.run not in held}
    if rule.room:
        staying = sorted((run for run in free if run.run not in going), key=lambda run: run.created)
        going |= _oldest_beyond(staying, going, rule.room, blobs, sizes, elsewhere)
    return frozenset(going)


def _oldest_beyond(
    staying: Sequence[RunOutline],
    going: Collection[str],
    room: int,
    blobs: Mapping[str, Collection[str]],
    sizes: Mapping[str, int],
    elsewhere: Collection[str],
) -> set[str]:
    """The oldest runs, until what the others name has room. Blobs that nobody names are going anyway."""
    named = Counter(digest for run, digests in blobs.items() if run not in going for digest in digests)
    named.update(elsewhere)
    used = sum(sizes.get(digest, 0) for digest in named)
    more: set[str] = set()
    for run in staying:
        if used <= room:
            break
        more.add(run.run)
        for digest in blobs.get(run.run, ()):
            named[digest] -= 1
            if not named[digest]:
                used -= sizes.get(digest, 0)
    return more
