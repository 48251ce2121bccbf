"""Cells of a matrix, reuse, parking, service logs, layers, retention, and how far a run is trusted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _text(name: str, stored: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False, server_default=stored)


def upgrade() -> None:
    """Add columns; what was recorded before has their plain meaning: no cell, nothing reused, a trusted branch."""
    for name, stored in (("trust", "branch"), ("proposal", ""), ("host", ""), ("url", "")):
        op.add_column("runs", _text(name, stored))
    for name, stored in (("group", ""), ("cell", "{}"), ("reused", ""), ("parked", "")):
        op.add_column("stage_runs", _text(name, stored))
    for name, stored in (("service_logs", "{}"), ("layer", "")):
        op.add_column("attempts", _text(name, stored))
    op.add_column("artifacts", sa.Column("keep", sa.Float(), nullable=True))
