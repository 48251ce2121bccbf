"""The ledger's chain: each entry's hash covers the entry and the hash before it, so nothing can be changed unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pipeline.model.release import LedgerEntry
from pipeline.model.value import Value, canonical, to_value

GENESIS = "0" * 64
"""What stands before the first entry."""


def entry_hash(entry: LedgerEntry) -> str:
    """SHA-256 in hex over the canonical JSON of the entry without its own `hash`."""
    fields = to_value(entry)
    if not isinstance(fields, Mapping):
        raise TypeError("a ledger entry is a mapping")  # unreachable: to_value of a dataclass
    return hashlib.sha256(canonical({name: item for name, item in fields.items() if name != "hash"})).hexdigest()


def seal(
    previous: LedgerEntry | None,
    *,
    time: datetime,
    actor: str,
    action: str,
    subject: str,
    reason: str,
    data: Mapping[str, Value],
) -> LedgerEntry:
    """The entry that follows `previous` (None: the first one), with its place in the chain.

    Numbers with a fraction become text in `data`: JSON libraries spell them differently, and the hash must be the same
    for everybody who checks it. Times are UTC.
    """
    entry = LedgerEntry(
        seq=previous.seq + 1 if previous else 1,
        time=time.astimezone(UTC),
        actor=actor,
        action=action,
        subject=subject,
        reason=reason,
        data={str(name): _exact(to_value(item)) for name, item in data.items()},
        previous=previous.hash if previous else GENESIS,
        hash="",
    )
    return replace(entry, hash=entry_hash(entry))


def verify(entries: Iterable[LedgerEntry], *, previous: LedgerEntry | None = None, head: str = "") -> int | None:
    """The seq of the first entry that is altered, missing or out of place, or None when the chain holds.

    `previous` is the trusted entry before the first one (None: they start at seq 1). A ledger that was cut off at its
    end is still a chain: only a `head`, the last hash as noted elsewhere, can tell.
    """
    seq, last = (previous.seq, previous.hash) if previous else (0, GENESIS)
    for entry in entries:
        seq += 1
        if entry.seq != seq or entry.previous != last or entry.hash != entry_hash(entry):
            return seq
        last = entry.hash
    return seq + 1 if head and head != last else None


def _exact(value: Value) -> Value:
    """The value with fractions as text, whole floats as integers."""
    match value:
        case bool() | int() | str() | None:
            return value
        case float():
            return int(value) if value.is_integer() else repr(value)
        case Mapping():
            return {name: _exact(item) for name, item in value.items()}
        case Sequence():
            return [_exact(item) for item in value]
