"""The word of a worker that was overtaken does not count: checked where its run is written."""

from __future__ import annotations

import sqlalchemy as sa

from pipeline.errors import LeaseLostError
from pipeline.model.work import Fence, WorkState
from pipeline.records import server_tables as t


def check(connection: sa.Connection, fence: Fence) -> None:
    """LeaseLostError where another has the item; the row is locked until the transaction ends."""
    held = sa.select(t.work.c.id).where(
        t.work.c.id == fence.item, t.work.c.token == fence.token, t.work.c.state == WorkState.TAKEN
    )
    if connection.execute(held.with_for_update(read=True)).first() is None:
        raise LeaseLostError(
            f"run {fence.run} is not this worker's any more", hint="nothing was written; what the other one does counts"
        )
