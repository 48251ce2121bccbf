"""What a promotion was planned and judged by, what people decided, who may write, and indexes for a long ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Promotions of before were not judged by anything; nobody had decided anything, and nobody held a lease."""
    for name in ("plan", "policy", "configuration", "override"):
        op.add_column("promotions", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.create_index("ix_promotions_created", "promotions", ["created"])
    op.create_index("ix_ledger_action", "ledger", ["action", "seq"])
    op.create_index("ix_ledger_subject", "ledger", ["subject", "action", "seq"])
    _decisions()
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.String(27), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        comment="working state; a lease that was given up has no holder and keeps its token",
    )


def _decisions() -> None:
    """Projections of the ledger."""
    op.create_table(
        "approvals",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("promotion", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("time", sa.String(27), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("promotion", "plan", "person", name="uq_approvals_person"),
        comment="a projection of the ledger: the last answer of each person to each plan",
    )
    op.create_table(
        "blocks",
        sa.Column("id", sa.String(26), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created", sa.String(27), nullable=False),
        sa.Column("until", sa.String(27), nullable=True),
        sa.Column("release", sa.Text(), nullable=False),
        sa.Column("lifted", sa.String(27), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        comment="a projection of the ledger: holds, bars and freezes, lifted ones too",
    )
    op.create_index("ix_blocks_repository", "blocks", ["repository", "environment"])
