"""Money, answers, and questions that are put later."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OPEN = sa.text("stage <> 'done'")


def upgrade() -> None:
    """Budgets and what is committed of them; kept replies; parked features, their questions, and batches of these."""
    op.add_column("runs", sa.Column("budget_usd", sa.Float))
    op.add_column("runs", sa.Column("committed_usd", sa.Float, nullable=False, server_default=sa.text("0")))
    op.add_column("runs", sa.Column("reason", sa.Text))
    op.execute(
        "UPDATE runs SET committed_usd = COALESCE((SELECT SUM(calls.usd) FROM calls WHERE calls.run_id = runs.id), 0)"
    )
    op.add_column("run_features", sa.Column("parked", sa.Boolean, nullable=False, server_default=sa.false()))
    op.drop_index("ix_run_features_open", "run_features")
    _open_index("run_id", "stage", "parked", "index")
    op.add_column("calls", sa.Column("mode", sa.Text, nullable=False, server_default="direct"))
    op.add_column("calls", sa.Column("key", sa.Text))
    op.create_table(
        "answers",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("backend", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("stop", sa.Text, nullable=False),
        sa.Column("said", sa.Text, nullable=False),
        sa.Column("input_tokens", sa.Integer, nullable=False),
        sa.Column("cached_tokens", sa.Integer, nullable=False),
        sa.Column("output_tokens", sa.Integer, nullable=False),
        sa.Column("usd", sa.Float),
        sa.Column("useless", sa.Boolean, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_answers"),
    )
    op.create_index("ix_answers_run_id_index", "answers", ["run_id", "index"])
    op.create_table(
        "requests",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("backend", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("bound_input", sa.Integer, nullable=False),
        sa.Column("bound_output", sa.Integer, nullable=False),
        sa.Column("bound_usd", sa.Float),
        sa.Column("batch_id", sa.Text),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "key", name="pk_requests"),
    )
    op.create_index("ix_requests_run_id_batch_id", "requests", ["run_id", "batch_id"])
    op.create_index("ix_requests_run_id_index_key", "requests", ["run_id", "index", "key"])
    op.create_index("ix_requests_key", "requests", ["key"])
    op.create_table(
        "waits",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "index", "key", name="pk_waits"),
        sa.ForeignKeyConstraint(
            ["run_id", "index"], ["run_features.run_id", "run_features.index"], name="fk_waits_run_id_index"
        ),
    )
    op.create_index("ix_waits_key", "waits", ["key"])
    op.create_table(
        "batches",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("backend", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("provider_id", sa.Text),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("not_before", sa.Float, nullable=False),
        sa.Column("lease_token", sa.Text),
        sa.Column("lease_until", sa.Float),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_batches_run_id"),
    )
    op.create_index("ix_batches_run_id_state", "batches", ["run_id", "state"])


def downgrade() -> None:
    """Forgets all of it; what was parked is claimable."""
    for table in ("batches", "waits", "requests", "answers"):
        op.drop_table(table)
    op.drop_index("ix_run_features_open", "run_features")
    for table, columns in (("run_features", ["parked"]), ("calls", ["mode", "key"])):
        for column in columns:
            op.drop_column(table, column)
    _open_index("run_id", "stage", "index")
    for column in ("budget_usd", "committed_usd", "reason"):
        op.drop_column("runs", column)
    op.execute("UPDATE runs SET state = 'cancelled' WHERE state = 'paused'")
    op.execute("UPDATE calls SET outcome = 'unknown' WHERE outcome = 'open'")


def _open_index(*columns: str) -> None:
    op.create_index("ix_run_features_open", "run_features", list(columns), sqlite_where=OPEN, postgresql_where=OPEN)
