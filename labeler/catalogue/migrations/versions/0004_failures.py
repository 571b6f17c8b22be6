"""Failures by their kind."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Says of a failed feature what kind of failure it was; of those that failed before nobody knows."""
    op.add_column("run_features", sa.Column("failure", sa.Text))
    op.execute("UPDATE run_features SET failure = 'other' WHERE state = 'failed'")


def downgrade() -> None:
    """Forgets it; the reason in words stays."""
    op.drop_column("run_features", "failure")
