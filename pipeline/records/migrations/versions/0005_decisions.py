"""What a promotion was planned and judged by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Promotions of before were not judged by anything."""
    for name in ("plan", "policy", "configuration", "override"):
        op.add_column("promotions", sa.Column(name, sa.Text(), nullable=False, server_default=""))
