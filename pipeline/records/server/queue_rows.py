"""Items of the queue as rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from pipeline.errors import LeaseLostError
from pipeline.model.value import from_value
from pipeline.model.work import WorkItem, WorkRequest, WorkState
from pipeline.records import server_tables as t
from pipeline.records.queries import insert
from pipeline.records.rows import noun, plain
from pipeline.records.server.calls import notify


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


def returned(item: WorkItem, why: str) -> WorkItem:
    """An item as it goes back into the queue; its token stays, so that the next taking has a greater one."""
    return replace(item, state=WorkState.QUEUED, worker="", expires=None, detail=why)
