"""The ledger's chain: each entry's hash covers the entry and the hash before it, so nothing can be changed unseen."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from pipeline.model.release import LedgerEntry
from pipeline.model.value import Value, canonical, to_value

GENESIS = "0" * 64
"""What stands before the first entry."""
EXACT: Final = 2**53 - 1
"""The greatest integer that every JSON library reads as it was written (RFC 7493, 2.2)."""

_ORDER_DIFFERS = re.compile("[\ue000-\U0010ffff]")
"""Letters by which UTF-16, whose order RFC 8785 takes for keys, and code points sort differently."""


def _other_kinds(thing: object) -> Value:
    """Mappings that are no dict, for the encoder."""
    if not isinstance(thing, Mapping):
        raise TypeError(f"{type(thing).__name__} has no JSON form")
    return dict(thing)


_PLAIN = json.JSONEncoder(
    sort_keys=True,
    ensure_ascii=False,
    allow_nan=False,
    check_circular=False,
    separators=(",", ":"),
    default=_other_kinds,
)


def spelled(value: Mapping[str, Value]) -> bytes:
    """The canonical JSON (RFC 8785) of what `seal` lets into an entry: no fractions, no integer beyond `EXACT`.

    The same as `canonical`, by the quickest way there is. ValueError or TypeError for what JSON cannot hold.
    """
    text = _PLAIN.encode(value)
    return text.encode() if text.isascii() or not _ORDER_DIFFERS.search(text) else canonical(value)


def spelled_entry(entry: LedgerEntry) -> bytes:
    """The canonical JSON of an entry with its hash, as it stands in an export."""
    return spelled({**_hashed_fields(entry), "hash": entry.hash})


def plain_address(database: str) -> str:
    """A database's URL without its driver, user and password: what people may see, and what two machines agree on."""
    found = re.fullmatch(r"([a-z0-9]+)(?:\+[a-z0-9_]+)?://(?:[^/@]*@)?(.*)", database)
    return f"{found[1]}://{found[2]}" if found else database


def entry_hash(entry: LedgerEntry) -> str:
    """SHA-256 in hex over the canonical JSON of the entry without its own `hash`."""
    return hashlib.sha256(spelled(_hashed_fields(entry))).hexdigest()


def _hashed_fields(entry: LedgerEntry) -> dict[str, Value]:
    return {
        "seq": entry.seq,
        "time": entry.time.isoformat(),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "reason": entry.reason,
        "data": entry.data,
        "previous": entry.previous,
    }


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

    Numbers with a fraction and integers beyond `EXACT` become text in `data`: JSON libraries spell or read them
    differently, and the hash must be the same for everybody who checks it. Times are UTC.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchor:
    """What was noted elsewhere of a ledger: that it had an entry of this hash, at this place where that is known.

    Only an anchor can tell that the end of a ledger was cut off, or that all of it was written anew.
    """

    hash: str
    seq: int | None = None

    @classmethod
    def of(cls, entry: LedgerEntry) -> Anchor:
        """What to note of this entry."""
        return cls(hash=entry.hash, seq=entry.seq)

    @classmethod
    def parse(cls, text: str) -> Anchor | None:
        """From `SEQ:HASH` or the hash alone; None for anything else."""
        found = re.fullmatch(r"(?:([1-9][0-9]{0,18}):)?([0-9a-f]{64})", text.strip().lower())
        return cls(hash=found[2], seq=int(found[1]) if found[1] else None) if found else None

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}" if self.seq is not None else self.hash


@dataclass(frozen=True, kw_only=True, slots=True)
class Break:
    """Where a ledger does not hold: the first entry that is wrong, and what is wrong with it."""

    seq: int
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """An entry as far as the chain needs it. `hashed` is the hash of what it says, "" where that cannot be spelled;
    `hash` is the one that it claims."""

    seq: int
    previous: str
    hash: str
    hashed: str


def link_of(entry: LedgerEntry) -> Link:
    """The link that an entry is."""
    try:
        hashed = entry_hash(entry)
    except (ValueError, TypeError, RecursionError):
        hashed = ""
    return Link(seq=entry.seq, previous=entry.previous, hash=entry.hash, hashed=hashed)


class Chain:
    """Follows the entries of a ledger one by one, behind a trusted one (None: from the start), and says where they
    do not hold. Nothing that follows a break is worth anything."""

    def __init__(self, previous: LedgerEntry | None = None, *, anchors: Iterable[Anchor] = ()) -> None:
        self.seq, self.hash = (previous.seq, previous.hash) if previous else (0, GENESIS)
        """The last entry that holds."""
        self.first = ""
        """The hash of entry 1, by which ledgers are told apart; "" before it came."""
        known = tuple(anchors)
        self._placed: dict[int, set[str]] = {}
        for anchor in known:
            if anchor.seq is not None:
                self._placed.setdefault(anchor.seq, set()).add(anchor.hash)
        self._unplaced = {anchor.hash for anchor in known if anchor.seq is None}

    def follow(self, link: Link) -> Break | None:
        """The next entry: None while the chain holds."""
        seq = self.seq + 1
        if link.seq != seq:
            return Break(seq=seq, what=f"it is missing, or not in its place: entry {link.seq} stands there")
        if link.hash != link.hashed:
            return Break(seq=seq, what="it was altered: its hash is not that of its content")
        if link.previous != self.hash:
            return Break(seq=seq, what="it does not follow the entry before it, which was altered or taken away")
        if self._placed and self._placed.get(seq, {link.hash}) != {link.hash}:
            return Break(seq=seq, what="it was written anew: an anchor has another hash for it")
        if seq == 1:
            self.first = link.hash
        self.seq, self.hash = seq, link.hash
        if self._unplaced:
            self._unplaced.discard(link.hash)
        return None

    def end(self) -> Break | None:
        """No further entry: None where every anchor was met."""
        beyond = max((seq for seq in self._placed if seq > self.seq), default=None)
        if beyond is not None:
            return Break(seq=self.seq + 1, what=f"it is missing: an anchor knows entries up to {beyond}")
        if self._unplaced:
            lost = min(self._unplaced)
            return Break(seq=self.seq + 1, what=f"no entry up to here has the hash {lost} that an anchor names")
        return None


def head_line(entry: LedgerEntry) -> str:
    """What a person who promotes is told, and what their job's log keeps: an anchor for `ecluse ledger verify`."""
    return f"ledger {Anchor.of(entry)}"


def first_break(
    entries: Iterable[LedgerEntry], *, previous: LedgerEntry | None = None, anchors: Sequence[Anchor] = ()
) -> Break | None:
    """Where the entries do not hold behind the trusted entry `previous` (None: they start at seq 1), or None."""
    chain = Chain(previous, anchors=anchors)
    for entry in entries:
        found = chain.follow(link_of(entry))
        if found is not None:
            return found
    return chain.end()


def verify(entries: Iterable[LedgerEntry], *, previous: LedgerEntry | None = None, head: str = "") -> int | None:
    """The seq of the first entry that is altered, missing or out of place, or None when the chain holds.

    `head` is the last hash as noted elsewhere, "" where it was not.
    """
    chain = Chain(previous)
    for entry in entries:
        found = chain.follow(link_of(entry))
        if found is not None:
            return found.seq
    return chain.seq + 1 if head and head != chain.hash else None


def _exact(value: Value) -> Value:
    """The value with fractions and great integers as text, whole floats as integers."""
    match value:
        case bool() | str() | None:
            return value
        case int():
            return value if -EXACT <= value <= EXACT else str(value)
        case float():
            return int(value) if value.is_integer() and -EXACT <= value <= EXACT else repr(value)
        case Mapping():
            return {name: _exact(item) for name, item in value.items()}
        case Sequence():
            return [_exact(item) for item in value]
