"""Labels that came with somebody else's evidence."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keeps them by dictionary and feature, apart from those of runs."""
    op.create_table(
        "imported_labels",
        sa.Column("dictionary", sa.Text, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("explainer", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("dictionary", "index", "position", name="pk_imported_labels"),
    )


def downgrade() -> None:
    """Forgets them."""
    op.drop_table("imported_labels")
