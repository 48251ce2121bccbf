"""Whether a ledger holds: in the database or in an export, against what was noted of it elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.errors import EcluseError, UsageError
from pipeline.model.ledger import Anchor, Break, Chain, Link
from pipeline.operations.ledger_export import Export
from pipeline.operations.ledger_head import Head, signer_of
from pipeline.ports.application import Application
from pipeline.ports.records import Records
from pipeline.ports.signing import Signing

Progress = Callable[[int], None]
_EVERY: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What was noted elsewhere: anchors, heads in files, heads in git notes (of this ledger or of others), and the
    public keys (with the name of their owner) of which one must have signed each head."""

    anchors: Sequence[Anchor] = ()
    heads: Sequence[Head] = ()
    noted: Sequence[Head] = ()
    keys: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """What was found. `head` is the last entry that holds; `signers` are the names or keys of who signed heads."""

    entries: int
    head: Anchor | None
    broken: Break | None
    anchors: int = 0
    """How many places were held against what was noted elsewhere."""
    foreign: int = 0
    """Notes that are of other ledgers."""
    signers: tuple[str, ...] = ()
    unsigned: tuple[str, ...] = ()
    """What is wrong with signatures, a sentence each."""

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return self.broken is None and not self.unsigned


def verify_records(app: Application, evidence: Evidence, *, progress: Progress) -> Verification:
    """The ledger in the database. UsageError for keys without a head that they could have signed."""
    first = next((link.hash for link in app.records.links(limit=1)), "")
    heads, foreign = _of_this(first, evidence)
    if evidence.keys is not None and not heads:
        raise UsageError(
            "there is no signed head to check", hint="give an export, --note, or --anchor with a file that has one"
        )
    chain, broken = _follow(_links(app.records), evidence, heads, progress)
    return _found(chain, broken or _stranger(evidence, heads), evidence, heads, foreign, app.signing)


def verify_export(export: Export, evidence: Evidence, *, signing: Signing, progress: Progress) -> Verification:
    """The ledger in a file; nothing but the file is asked."""
    heads, foreign = _of_this(export.first(), evidence)
    chain, broken = _follow(export.links(), evidence, heads, progress)
    if broken is None and export.problem:
        broken = Break(seq=chain.seq + 1, what=export.problem)
    if broken is None and export.head is not None:
        broken = _against_head(chain, export.head)
    if evidence.keys is not None and export.head is not None:
        heads = [*heads, export.head]
    return _found(chain, broken or _stranger(evidence, heads), evidence, heads, foreign, signing)


def _links(records: Records) -> Iterator[Link]:
    after = 0
    while page := records.links(after=after):
        yield from page
        after = page[-1].seq


def _of_this(first: str, evidence: Evidence) -> tuple[list[Head], int]:
    """Heads that must hold: all that were given, and of the notes those of this ledger."""
    mine = [head for head in evidence.noted if head.ledger == first]
    return [*evidence.heads, *mine], len(evidence.noted) - len(mine)


def _stranger(evidence: Evidence, heads: Sequence[Head]) -> Break | None:
    """Notes of other ledgers only: this one has never been noted, or its first entry is another now."""
    if evidence.noted and not any(head in heads for head in evidence.noted):
        return Break(seq=1, what="none of the git notes is of a ledger that begins with this entry")
    return None


def _follow(
    links: Iterator[Link], evidence: Evidence, heads: Sequence[Head], progress: Progress
) -> tuple[Chain, Break | None]:
    chain = Chain(anchors=[*evidence.anchors, *(head.anchor for head in heads)])
    for link in links:
        broken = chain.follow(link)
        if broken is not None:
            return chain, broken
        if chain.seq % _EVERY == 0:
            progress(chain.seq)
    return chain, chain.end()


def _against_head(chain: Chain, head: Head) -> Break | None:
    if head.seq > chain.seq:
        return Break(seq=chain.seq + 1, what=f"it is missing: the export's own head is entry {head.seq}")
    if (head.seq, head.hash) != (chain.seq, chain.hash):
        return Break(seq=head.seq, what="the export's own head is another entry")
    if head.ledger != chain.first:
        return Break(seq=1, what="the export's own head is of a ledger that begins otherwise")
    return None


def _found(
    chain: Chain,
    broken: Break | None,
    evidence: Evidence,
    heads: Sequence[Head],
    foreign: int,
    signing: Signing,
) -> Verification:
    signers: list[str] = []
    unsigned: list[str] = []
    keys = evidence.keys
    for head in heads if keys is not None else ():
        try:
            key = signer_of(head, signing=signing, keys=keys or {})
            signers.append((keys or {}).get(key) or key)
        except EcluseError as error:
            unsigned.append(error.message)
    return Verification(
        entries=chain.seq,
        head=Anchor(hash=chain.hash, seq=chain.seq) if chain.seq else None,
        broken=broken,
        anchors=len({*evidence.anchors, *(head.anchor for head in heads)}),
        foreign=foreign,
        signers=tuple(dict.fromkeys(signers)),
        unsigned=tuple(dict.fromkeys(unsigned)),
    )
