"""Measurements that are numbers: what was asked, what was seen, and what the old version had."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Measurements of before had neither query nor number."""
    for name in ("verdict", "query"):
        op.add_column("measurements", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    for name in ("value", "baseline"):
        op.add_column("measurements", sa.Column(name, sa.Float()))
