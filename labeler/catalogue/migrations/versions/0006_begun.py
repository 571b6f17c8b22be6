"""Features that were begun."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Says of a feature whether it was ever claimed in its stage; of a run with a budget those come first."""
    op.add_column("run_features", sa.Column("begun", sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute("UPDATE run_features SET begun = true WHERE stage <> 'done' AND (parked OR lease_token IS NOT NULL)")
    op.create_index(
        "ix_run_features_begun",
        "run_features",
        ["run_id", "stage", "index"],
        # As each database has a truth in a condition.
        sqlite_where=sa.text("begun = 1 AND stage <> 'done'"),
        postgresql_where=sa.text("begun AND stage <> 'done'"),
    )


def downgrade() -> None:
    """Forgets it."""
    op.drop_index("ix_run_features_begun", "run_features")
    op.drop_column("run_features", "begun")
