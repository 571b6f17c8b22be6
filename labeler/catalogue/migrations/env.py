"""What Alembic runs; the connection, with its lock, comes from ``upgrade``."""

from __future__ import annotations

from alembic import context

from labeler.catalogue.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
