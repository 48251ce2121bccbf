"""What can be signed: the head of a ledger, and a person's answer to a promotion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.model.decision import Approval
from pipeline.model.release import LedgerEntry
from pipeline.model.value import Value, canonical, to_value

HEAD: Final = "application/vnd.ecluse.ledger-head+json"
APPROVAL: Final = "application/vnd.ecluse.approval+json"
VOUCHED: Final = "application/vnd.ecluse.vouched-approval+json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What somebody says, and of which kind it is: a signature for one kind is none for another."""

    kind: str
    body: Mapping[str, Value]

    @property
    def payload(self) -> bytes:
        """The canonical JSON (RFC 8785) that is signed: texts, whole numbers and nothing else."""
        return canonical(self.body)


def head_statement(head: LedgerEntry, *, first: str) -> Statement:
    """That a ledger has this entry; `first` is the hash of its first one, by which ledgers are told apart."""
    return Statement(
        kind=HEAD, body={"ledger": first, "seq": head.seq, "hash": head.hash, "time": head.time.isoformat()}
    )


def approval_statement(approval: Approval) -> Statement:
    """An answer, whole but for its proof."""
    fields = to_value(approval)
    assert isinstance(fields, Mapping)  # noqa: S101 - a dataclass is a mapping
    return Statement(kind=APPROVAL, body={name: item for name, item in fields.items() if name != "proof"})


def vouched_statement(approval: Approval, *, means: str) -> Statement:
    """A server's word that its person gave this answer, signed in by these means (a session or a token, by its id)."""
    return Statement(kind=VOUCHED, body={**approval_statement(approval).body, "means": means})
