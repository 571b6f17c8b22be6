"""Labels that a run is given: taken over from another run, or from elsewhere."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Says of a feature which run its label and its headline come from; contexts of a candidate may be unknown."""
    op.add_column("run_features", sa.Column("label_run", sa.Text))
    op.add_column("run_features", sa.Column("headline", sa.Text))
    with op.batch_alter_table("candidates") as candidates:
        candidates.alter_column("contexts", existing_type=sa.JSON, nullable=True)


def downgrade() -> None:
    """Forgets it; contexts that nobody knows become none."""
    op.execute("UPDATE candidates SET contexts = '[]' WHERE contexts IS NULL")
    with op.batch_alter_table("candidates") as candidates:
        candidates.alter_column("contexts", existing_type=sa.JSON, nullable=False)
    op.drop_column("run_features", "headline")
    op.drop_column("run_features", "label_run")
