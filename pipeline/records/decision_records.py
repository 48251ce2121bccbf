"""Approvals, blocks, and finding a promotion by what people write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from pipeline.errors import NotFoundError
from pipeline.model.decision import Answer, Approval, Block
from pipeline.model.release import LedgerEntry, Promotion
from pipeline.model.value import to_value
from pipeline.records import tables as t
from pipeline.records.ledger_records import append
from pipeline.records.release_records import promotion_of
from pipeline.records.rows import noun

_LEAST = 6
"""Letters of an id that may stand for it."""
_ACTIONS = {Answer.APPROVE: "promotion.approved", Answer.REJECT: "promotion.rejected"}


def find_promotion(connection: sa.Connection, reference: str) -> Promotion:
    """By id, else by prefix, else by ending."""
    text = reference.strip().lower()
    column = t.promotions.c.id
    ways = [column == text]
    if len(text) >= _LEAST:
        ways += [column.startswith(text, autoescape=True), column.endswith(text, autoescape=True)]
    for way in ways:
        found = connection.execute(sa.select(t.promotions).where(way).order_by(column).limit(2)).all()
        if len(found) > 1:
            raise NotFoundError(
                f"'{reference}' may be promotion {found[0].id} or {found[1].id}", hint="give more letters of its id"
            )
        if found:
            return promotion_of(found[0])
    raise NotFoundError(
        f"there is no promotion '{reference}'",
        hint=f"give its id, or {_LEAST} letters or more of its beginning or end; `ecluse history ENV` lists them",
    )


def save_approval(connection: sa.Connection, approval: Approval, *, actor: str, now: datetime) -> LedgerEntry:
    """Keep an answer."""
    if connection.execute(sa.select(t.promotions.c.id).where(t.promotions.c.id == approval.promotion)).first() is None:
        raise NotFoundError(f"there is no promotion '{approval.promotion}'", hint="`ecluse history ENV` lists them")
    return append(
        connection,
        now=now,
        actor=actor,
        action=_ACTIONS[approval.answer],
        subject=approval.promotion,
        reason=approval.reason,
        data={"approval": to_value(approval)},
    )


def approvals(connection: sa.Connection, promotion: str) -> Sequence[Approval]:
    """Oldest first."""
    wanted = sa.select(t.approvals).where(t.approvals.c.promotion == promotion)
    return [noun(Approval, row) for row in connection.execute(wanted.order_by(t.approvals.c.time, t.approvals.c.id))]


def save_block(connection: sa.Connection, block: Block, *, actor: str, action: str, now: datetime) -> LedgerEntry:
    """Keep a block as it is now."""
    return append(
        connection,
        now=now,
        actor=actor,
        action=action,
        subject=block.id,
        reason=block.reason,
        data={"block": to_value(block)},
    )


def blocks(connection: sa.Connection, repository: str, environment: str, open_at: datetime | None) -> Sequence[Block]:
    """Newest first."""
    wanted = sa.select(t.blocks).where(t.blocks.c.repository == repository)
    if environment:
        wanted = wanted.where(t.blocks.c.environment.in_((environment, "")))
    if open_at is not None:
        still = sa.or_(t.blocks.c.until.is_(None), t.blocks.c.until > open_at)
        wanted = wanted.where(t.blocks.c.lifted.is_(None), still)
    ordered = wanted.order_by(t.blocks.c.created.desc(), t.blocks.c.id.desc())
    return [noun(Block, row) for row in connection.execute(ordered)]
