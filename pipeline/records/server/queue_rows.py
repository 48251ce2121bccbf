"""Items of the queue as rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from pipeline.errors import LeaseLostError
from pipeline.model.value import from_value
from pipeline.model.work import WorkEnd, WorkItem, WorkRequest, WorkState
from pipeline.records import server_tables as t
from pipeline.records.queries import insert
from pipeline.records.rows import noun, plain
from pipeline.records.server.calls import notify
from pipeline.records.server.queue_lines import now_in


def put(connection: sa.Connection, item: WorkItem) -> bool:
    """Queue it; False where its key is known."""
    values = {**plain(item), "priority": item.kind.priority, "repository": item.request.repository, "told": ""}
    row = insert(connection, t.work).values(**values)
    order = row.on_conflict_do_nothing().returning(t.work.c.id)  # PostgreSQL's driver does not count such rows
    new = connection.execute(order).first() is not None
    if new:
        notify(connection)
    return new


def item_of(row: sa.Row[Any]) -> WorkItem:
    """The item again."""
    known = row._mapping
    return noun(WorkItem, row, request=from_value(WorkRequest, known["request"]), labels=tuple(known["labels"]))


def change(connection: sa.Connection, item: WorkItem, **values: object) -> WorkItem:
    """Write to an item that is still ours, in one statement. LeaseLostError, and nothing written, where it is not."""
    mine = (t.work.c.id == item.id, t.work.c.token == item.token, t.work.c.worker == item.worker)
    order = t.work.update().where(*mine, t.work.c.state == WorkState.TAKEN).values(**values).returning(t.work)
    row = connection.execute(order).first()
    if row is None:
        raise LeaseLostError(
            f"run {item.id} is not this worker's any more", hint="nothing was written; what the other one does counts"
        )
    return item_of(row)


def end(connection: sa.Connection, wish: WorkEnd) -> None:
    """What nobody has taken yet is done at once; what has begun is told, or ended by a worker, where that is wished."""
    mine, values = t.work.c.id == wish.item, {"cancel": wish.by}
    fresh = (mine, t.work.c.token == 0, t.work.c.state.in_((WorkState.QUEUED, WorkState.PARKED)))
    done = {"state": WorkState.DONE, "detail": f"cancelled by {wish.by}", "finished": now_in(connection)}
    connection.execute(t.work.update().where(*fresh).values(**values, **done))
    if wish.begun:
        parked = t.work.update().where(mine, t.work.c.state == WorkState.PARKED)
        connection.execute(parked.values(**values, state=WorkState.QUEUED, worker=""))
        under_way = t.work.update().where(mine, t.work.c.state.in_((WorkState.QUEUED, WorkState.TAKEN)))
        connection.execute(under_way.values(**values))
    notify(connection)


def returned(item: WorkItem, why: str) -> WorkItem:
    """An item as it goes back into the queue; its token stays, so that the next taking has a greater one."""
    return replace(item, state=WorkState.QUEUED, worker="", expires=None, detail=why)
