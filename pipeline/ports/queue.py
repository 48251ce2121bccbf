"""The queue between those who ask for runs and the workers who make them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.work import Worker, WorkItem, WorkState


class Queue(Protocol):
    """Safe for several threads, processes and machines. What is put is on the disk; what is taken is taken by one.

    Errors that may leave: RecordsError, DiskFullError, NotFoundError, and LeaseLostError where an item is given.
    """

    def put(self, item: WorkItem) -> bool:
        """Queue it; False, and nothing done, where an item of its key is known."""

    def take(self, worker: Worker, *, seconds: float) -> WorkItem | None:
        """The item that is this worker's turn, for so long; None where there is none for its labels.

        Fair between repositories, deliveries before builds before schedules, oldest first. An item whose worker's
        word has run out is given to the next, with a greater token.
        """

    def renew(self, item: WorkItem, *, seconds: float) -> WorkItem:
        """A new end, and with it what others have noted meanwhile (`cancel`). LeaseLostError where another has it."""

    def finish(self, item: WorkItem, *, state: WorkState, detail: str) -> None:
        """`done` or `parked`. LeaseLostError, and nothing written, where another has it."""

    def give_back(self, item: WorkItem, *, why: str, labels: Sequence[str] | None = None) -> None:
        """Queue it again for any worker (with these `labels`): this one drains, or cannot. LeaseLostError where
        another has it."""

    def wake(self, item: str, *, started: Sequence[str] = (), by: str = "") -> bool:
        """Queue a parked item again, with these manual stages of its run; False where it is not parked. `by` "" leaves
        the person who asked for it."""

    def cancel(self, item: str, *, by: str) -> WorkItem:
        """Ask for its end; one that nobody ever had is `done` at once, one that is parked is queued for a worker to
        end its run. NotFoundError for an unknown one."""

    def find(self, item: str) -> WorkItem:
        """By id. NotFoundError else."""

    def of_key(self, key: str) -> WorkItem:
        """By what asked for it. NotFoundError else."""

    def items(
        self,
        *,
        states: Sequence[WorkState] = (),
        repository: str = "",
        among: Collection[str] | None = None,
        limit: int = 100,
    ) -> Sequence[WorkItem]:
        """Those that are open in the order of their turn; of others the newest first. With `among` only those of these
        repositories."""

    def remark(self, item: str, detail: str) -> None:
        """Say why a queued item still waits; nothing of one that does not."""

    def forget(self, *, before: datetime) -> int:
        """Remove items that were done before then and of which the forge knows, and workers and lines that nobody
        has heard of since; how many items went."""

    def greet(self, worker: Worker) -> None:
        """Say that a worker lives, with its labels, slots and state."""

    def workers(self, *, now: datetime) -> Sequence[Worker]:
        """By name; one that has not been heard of for a minute is `gone`."""

    @property
    def tells(self) -> bool:
        """Whether `listen` hears of what other processes do; else whoever waits for them has to look often."""

    def listen(self, heard: Callable[[], None]) -> Callable[[], None]:
        """Call `heard` (from a thread) soon after something was put, woken or cancelled; the function that ends it.

        It may call without a reason. Whoever listens still looks by itself now and then.
        """
