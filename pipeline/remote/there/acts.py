"""Asking a server for runs: that one starts, ends, is repeated, goes on, may have secrets."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import NotFoundError
from pipeline.model.work import WorkItem, WorkState
from pipeline.remote.connection import segment
from pipeline.remote.there.asked import AskedThere

if TYPE_CHECKING:  # for its time, not for a circle
    from pipeline.model.run import Run

_ID = 26


class ActsThere(AskedThere):
    """What people want of runs. A worker does it: what they get is its place in the queue."""

    def start(self, ref: str, variables: Mapping[str, str]) -> WorkItem:
        """A run of a branch, a tag or a commit; "" = the default branch."""
        body = {"ref": ref, "variables": dict(variables)}
        return self._item(self.connection.send("POST", self.path("runs"), body, key=os.urandom(16).hex()))

    def cancel(self, reference: str) -> WorkItem:
        """The end of a run, or of its place in the queue, where it has not begun."""
        try:
            return self._item(self.connection.send("POST", self.path("runs", segment(reference), "cancel")))
        except NotFoundError:
            if len(reference) != _ID:
                raise
        return self._item(self.connection.send("POST", f"queue/{segment(reference)}/cancel"))

    def retry(self, run: Run) -> WorkItem:
        """Repeat what did not succeed."""
        return self._item(self.connection.send("POST", self.path("runs", run.id, "retry")))

    def resume(self, run: Run, started: Sequence[str]) -> WorkItem:
        """Go on with one that is parked, and start these of its manual stages."""
        return self._item(self.connection.send("POST", self.path("runs", run.id, "resume"), {"stages": list(started)}))

    def allow(self, reference: str) -> WorkItem:
        """Let an untrusted run have secrets and effects."""
        return self._item(self.connection.send("POST", self.path("runs", segment(reference), "allow")))

    def item(self, id_: str) -> WorkItem:
        """How it stands."""
        return self.connection.noun(WorkItem, f"queue/{segment(id_)}")

    def parked(self) -> Run | None:
        """The newest run that waits for somebody."""
        from pipeline.model.run import Run

        found = self.connection.pages(Run, self.path("runs"), {"state": "parked"}, limit=1)
        return found[0] if found else None

    def has_ended(self, item: WorkItem) -> bool:
        """Whether nothing more comes of it."""
        return self.item(item.id).state is WorkState.DONE

    def _item(self, said: object) -> WorkItem:
        return self.connection.built(WorkItem, said)
