"""Runs, their features, candidates, scores and calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

OPEN = sa.text("stage <> 'done'")


def upgrade() -> None:
    """Creates every table."""
    op.create_table(
        "runs",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("dictionary", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("finished_at", sa.Float),
        sa.Column("config", sa.JSON, nullable=False),
        sa.Column("n_features", sa.Integer, nullable=False),
        sa.Column("nulls", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_dictionary", "runs", ["dictionary"])

    op.create_table(
        "run_features",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("state", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("lease_token", sa.Text),
        sa.Column("lease_until", sa.Float),
        sa.Column("not_before", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("chosen", sa.Integer),
        sa.Column("statistics", sa.JSON, nullable=False),
        sa.Column("near_duplicates", sa.JSON, nullable=False),
        sa.Column("controls", sa.JSON),
        sa.Column("finished_at", sa.Float),
        sa.PrimaryKeyConstraint("run_id", "index", name="pk_run_features"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_features_run_id"),
    )
    op.create_index(
        "ix_run_features_open",
        "run_features",
        ["run_id", "stage", "index"],
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )

    op.create_table(
        "candidates",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("confidence", sa.Float),
        sa.Column("explainer", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text),
        sa.Column("contexts", sa.JSON, nullable=False),
        sa.Column("select", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "index", "position", name="pk_candidates"),
        _of_feature("candidates"),
    )

    op.create_table(
        "scores",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("n_contexts", sa.Integer, nullable=False),
        sa.Column("uniform_equivalent_n", sa.Float),
        sa.Column("simulator", sa.Text),
        sa.Column("null_percentile", sa.Float),
        sa.Column("null_mean", sa.Float),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("sampling", sa.Text),
        sa.Column("details", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "index", "key", name="pk_scores"),
        _of_feature("scores"),
    )

    op.create_table(
        "calls",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("backend", sa.Text, nullable=False),
        sa.Column("prompt", sa.Text),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("input_tokens", sa.Integer, nullable=False),
        sa.Column("cached_tokens", sa.Integer, nullable=False),
        sa.Column("output_tokens", sa.Integer, nullable=False),
        sa.Column("usd", sa.Float),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
        _of_feature("calls"),
    )
    op.create_index("ix_calls_run_id_index", "calls", ["run_id", "index"])


def downgrade() -> None:
    """Drops every table."""
    for table in ("calls", "scores", "candidates", "run_features", "runs"):
        op.drop_table(table)


def _of_feature(table: str) -> sa.ForeignKeyConstraint:
    """A foreign key to the feature's row in its run."""
    return sa.ForeignKeyConstraint(
        ["run_id", "index"], ["run_features.run_id", "run_features.index"], name=f"fk_{table}_run_id_index"
    )
