"""Whose turn it is: a pure decision over what waits, what is under way, and what was passed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.model.work import WorkKind, WorkLimits

PATIENCE = {WorkKind.BUILD: 3, WorkKind.SCHEDULED: 9}
"""So often a kind is passed over for one that goes before it; then it is its turn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """An item that may be taken: the oldest of its kind, repository and labels, or one whose worker has died."""

    id: str
    token: int
    kind: WorkKind
    repository: str
    labels: tuple[str, ...]
    served: str = ""
    """When an item of its kind and repository was taken last, as text that sorts; "" = never."""
    interrupted: bool = False
    """Its worker's word has run out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UnderWay:
    """An item that a living worker has."""

    kind: WorkKind
    repository: str


def in_turn(
    waiting: Iterable[Waiting],
    under_way: Sequence[UnderWay],
    passed: Mapping[WorkKind, int],
    *,
    labels: Sequence[str],
    limits: WorkLimits,
) -> list[Waiting]:
    """What a worker with these labels may take, whose turn it is first.

    Deliveries before builds before schedules, but a kind that was passed over often enough comes first. Of a kind what
    was interrupted, then the repository with the least under way, then the one that was served longest ago, then the
    oldest. Nothing that is at its limit.
    """
    kinds = Counter(item.kind for item in under_way)
    repositories = Counter(item.repository for item in under_way)

    def may_start(item: Waiting) -> bool:
        most = limits.of(item.kind)
        if most and kinds[item.kind] >= most:
            return False
        return not (limits.repository and repositories[item.repository] >= limits.repository)

    def turn(item: Waiting) -> tuple[bool, int, bool, int, str, str]:
        owed = item.kind in PATIENCE and passed.get(item.kind, 0) >= PATIENCE[item.kind]
        busy = repositories[item.repository]
        return not owed, item.kind.priority, not item.interrupted, busy, item.served, item.id

    fitting = (item for item in waiting if set(item.labels) <= set(labels))
    return sorted((item for item in fitting if may_start(item)), key=turn)


def passed_over(taken: Waiting, able: Iterable[Waiting], passed: Mapping[WorkKind, int]) -> dict[WorkKind, int]:
    """How often each kind was passed over once this item is taken; one of which nothing could be taken was not."""
    later = {item.kind for item in able if item.kind.priority > taken.kind.priority}
    counted = {kind: passed.get(kind, 0) + (kind in later) for kind in WorkKind}
    return counted | {taken.kind: 0}
