"""The spool: what runs write quickly, until somebody reads."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; it is empty but for moments."""
    op.create_table(
        "spool",
        sa.Column("seq", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("run", sa.String(26), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False, server_default=""),
    )
    op.create_index("ix_spool_run", "spool", ["run"])
