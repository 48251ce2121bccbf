"""The repositories that a server looks after, and what comes in for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.incoming import DeliveryNote, HookDelivery
    from pipeline.model.repository import Repository
    from pipeline.model.work import WorkEnd, WorkItem


class Intake(Protocol):
    """Safe for several threads and processes; every method is one transaction.

    Errors that may leave: RecordsError, DiskFullError, NotFoundError.
    """

    def save_repository(self, repository: Repository) -> None:
        """Keep it, replacing what was known under its name. RefusedError where its URL belongs to another name."""

    def find_repository(self, name: str) -> Repository:
        """By name. NotFoundError else."""

    def repositories(self) -> Sequence[Repository]:
        """By name."""

    def remove_repository(self, name: str) -> None:
        """Forget it; its runs, releases and the ledger stay."""

    def receive(self, delivery: HookDelivery) -> bool:
        """Keep a delivery, on the disk when this returns; False where its repository already has one of its key."""

    def receive_all(self, deliveries: Sequence[HookDelivery]) -> frozenset[str]:
        """As `receive` for many that came in at once, in one transaction; the ids of those that were new."""

    def undecided(self, *, limit: int = 100, without: Collection[str] = ()) -> Sequence[HookDelivery]:
        """Deliveries that nobody has looked at, oldest first; `without` those of these repositories."""

    def decide(
        self, delivery: str, decision: str, *, work: Sequence[WorkItem] = (), ends: Sequence[WorkEnd] = ()
    ) -> Sequence[WorkItem]:
        """Note what came of a delivery, queue what it asks for and end what it makes needless, in one transaction; the
        items whose key was new.

        Nothing happens where it was decided before: two servers may look at the same one.
        """

    def deliveries(self, *, repository: str = "", limit: int = 50) -> Sequence[HookDelivery]:
        """Newest first."""

    def delivery_notes(self, *, repository: str = "", limit: int = 50, before: str = "") -> Sequence[DeliveryNote]:
        """As `deliveries` without what was sent; with `before` only those of a smaller id, for the next page."""

    def find_delivery(self, reference: str, *, repository: str = "") -> HookDelivery:
        """By its id, or the beginning of it. NotFoundError else, UsageError where it fits several."""

    def forget_deliveries(self, *, before: datetime, keys_before: datetime | None = None) -> int:
        """Forget decided ones that are older; how many. Their keys are known on, so that none comes a second time, but
        for those from before `keys_before`, which go for good. Nobody is shown a forgotten one."""

    def schedule_mark(self, repository: str, schedule: str) -> datetime | None:
        """The last time of a schedule that was looked after; None for a new one."""

    def mark_schedule(self, repository: str, schedule: str, time: datetime, *, work: Sequence[WorkItem] = ()) -> bool:
        """Move the mark on to `time` and queue what came due, in one transaction. False, and nothing written, where
        the mark already stands there or later: another server was quicker."""
