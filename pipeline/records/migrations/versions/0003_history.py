"""What history needs: the tree of a run, quarantined tests, and indexes for many runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_FAILURES = "status IN ('failed', 'errored')"


def upgrade() -> None:
    """Add columns and indexes; of runs before, the tree is not known."""
    op.add_column("runs", sa.Column("tree", sa.Text(), nullable=False, server_default=""))
    op.add_column("test_cases", sa.Column("quarantined", sa.Text(), nullable=False, server_default=""))
    op.create_index("ix_runs_repository", "runs", ["repository", "created"])
    op.create_index("ix_runs_state", "runs", ["state"])
    op.create_index(
        "ix_test_cases_failures",
        "test_cases",
        ["run"],
        sqlite_where=sa.text(_FAILURES),
        postgresql_where=sa.text(_FAILURES),
    )
