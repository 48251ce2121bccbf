"""Entries of the ledger as somebody asked for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import NotFoundError
from pipeline.model.release import LedgerEntry
from pipeline.ports.records import Records


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which entries; empty fields say nothing. A subject may be a promotion or a release as people write it."""

    actions: Sequence[str] = ()
    subject: str = ""
    actor: str = ""
    since: datetime | None = None
    until: datetime | None = None
    newest: int = 20


def shown(records: Records, wanted: Wanted) -> Sequence[LedgerEntry]:
    """The newest that match, oldest first."""
    found = _asked(records, wanted, wanted.subject)
    if found or not wanted.subject:
        return found
    meant = _meant(records, wanted.subject)
    return _asked(records, wanted, meant) if meant else ()


def entry_of(records: Records, seq: int) -> LedgerEntry:
    """One entry. NotFoundError where the ledger does not go so far."""
    found = records.ledger(after=seq - 1, limit=1)
    if not found or found[0].seq != seq:
        head = records.head()
        last = f"its last entry is {head.seq}" if head else "it is empty"
        raise NotFoundError(f"the ledger has no entry {seq}: {last}", hint="`ecluse ledger show` lists the newest")
    return found[0]


def _asked(records: Records, wanted: Wanted, subject: str) -> Sequence[LedgerEntry]:
    return records.entries(
        actions=tuple(wanted.actions),
        subjects=(subject,) if subject else (),
        actor=wanted.actor,
        since=wanted.since,
        until=wanted.until,
        newest=wanted.newest,
    )


def _meant(records: Records, reference: str) -> str:
    """The id of the promotion or release that is meant, or ""."""
    try:
        return records.find_promotion(reference).id
    except NotFoundError:
        pass
    try:
        return records.find_release(reference).id
    except NotFoundError:
        return ""
