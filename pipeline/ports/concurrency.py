"""Groups in which only one run or stage may be at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pipeline.model.definition import ConcurrencyRule
from pipeline.ports.cancellation import Cancellation


class Place(Protocol):
    """A place in a group."""

    def leave(self) -> None:
        """Give it up; idempotent."""


class Groups(Protocol):
    """The groups of one installation. A process that ends, however, gives up its places.

    Errors that may leave: StorageError, CancelledError.
    """

    def enter(
        self,
        rule: ConcurrencyRule,
        *,
        repository: str,
        holder: str,
        waiting: Callable[[str], None],
        cancel: Cancellation,
    ) -> Place:
        """Wait until the group of this repository is ours, in the order of arrival.

        `holder` names us to others (`run 41`, `run 41, stage deploy`); `waiting` is told who is in it, where we have
        to wait.

        `cancel_older`: whoever is in it or waits for it has its `cancel` set, with the reason `superseded by <holder>`.
        `cancel_newer`: CancelledError at once with who is in it. `cancel` being set: CancelledError.
        """
