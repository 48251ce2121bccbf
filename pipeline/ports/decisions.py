"""What people decided about promotions, who may write now, and the ledger as an authority: part of the records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from pipeline.model.value import Value

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.decision import Approval, Block, Lease
    from pipeline.model.ledger import Link
    from pipeline.model.release import LedgerEntry, Promotion


class Decisions(Protocol):
    """Every method is one transaction. What is derived (promotions, releases, approvals, blocks) is written with the
    ledger entry that says so, and can be rebuilt from the ledger alone.

    Errors that may leave: RecordsError, DiskFullError, NotFoundError.
    """

    def find_promotion(self, reference: str) -> Promotion:
        """By id, or unique prefix or ending of an id (6 or more). NotFoundError else."""

    def save_approval(self, approval: Approval, *, actor: str) -> LedgerEntry:
        """Keep an answer; a second one of the same person to the same plan replaces the first. Action
        `promotion.approved` or `promotion.rejected`, subject the promotion. NotFoundError where there is none."""

    def approvals(self, *, promotion: str) -> Sequence[Approval]:
        """Answers to a promotion, oldest first, for whatever plan they were."""

    def save_block(self, block: Block, *, actor: str, action: str) -> LedgerEntry:
        """Keep a hold, bar or freeze as it is now. Actions `hold.set`, `hold.lifted`, `bar.set`, …; subject its id."""

    def blocks(self, *, repository: str, environment: str = "", open_at: datetime | None = None) -> Sequence[Block]:
        """Those of a repository, newest first; for one environment, with those that mean all environments. With
        `open_at` only those that are open then."""

    def note(self, *, actor: str, action: str, subject: str, reason: str, data: Mapping[str, Value]) -> LedgerEntry:
        """A line of the ledger from which nothing is derived, e.g. `verdict`, `head.exported`.

        ValueError where `data` has a mapping under a name from which something would be (`promotion`, `release`,
        `approval`, `block`)."""

    def entries(
        self,
        *,
        actions: Collection[str] = (),
        subjects: Collection[str] = (),
        actor: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        newest: int = 100,
    ) -> Sequence[LedgerEntry]:
        """The newest entries of these actions and subjects (all where none are given), by this actor, from `since` on
        and before `until`; oldest first."""

    def links(self, *, after: int = 0, limit: int = 5000) -> Sequence[Link]:
        """The chain of the ledger in order, from the entry behind seq `after`: what `verify` needs, quickly."""

    def head(self) -> LedgerEntry | None:
        """The last entry of the ledger."""

    def rebuild(self, *, progress: Callable[[int], None] | None = None) -> Mapping[str, int]:
        """Make all derived tables anew from the ledger, in one transaction: table → rows. RecordsError, and nothing
        changed, where the chain does not hold. `progress` hears how many entries were read."""

    def take_lease(self, name: str, *, holder: str, seconds: float) -> Lease | None:
        """The lease for so long, with a token greater than any before; None while somebody else's has not run out.
        The same holder gets its own again with the same token and a new end.

        The end only says from when on others may take it: until one of them does, it is still its holder's."""

    def renew_lease(self, lease: Lease, *, seconds: float) -> Lease:
        """A new end; LeaseLostError when it is not ours any more: another took it, or it was given up."""

    def release_lease(self, lease: Lease) -> None:
        """Give it up; nothing happens when it is not ours any more."""

    def lease(self, name: str) -> Lease | None:
        """Who holds it, whether it has run out or not; None where nobody ever did or it was given up."""
