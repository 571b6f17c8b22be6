"""Calls of language models, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from labeler.catalogue.records import UNKNOWN, CallRecord
from labeler.catalogue.tables import CALLS

KNOWN = CALLS.c.outcome != UNKNOWN


def record(connection: Connection, calls: Sequence[CallRecord]) -> None:
    """Stores calls; one whose id is there already is replaced, so that recording twice counts once."""
    if not calls:
        return
    insert = sqlite.insert(CALLS) if connection.dialect.name == "sqlite" else postgresql.insert(CALLS)
    replaced = {column.name: insert.excluded[column.name] for column in CALLS.c if column.name != "id"}
    # In the order of their ids: two writers of the same calls then wait for each other, never both.
    rows = sorted((dict(vars(call)) for call in calls), key=lambda row: str(row["id"]))
    connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=replaced), rows)


def sums() -> list[sa.ColumnElement[Any]]:
    """Columns of a query over calls: ``usd``, ``unpriced``, ``calls``, three kinds of tokens; unknown ones left out."""
    return [
        sa.func.coalesce(sa.func.sum(CALLS.c.usd).filter(KNOWN), 0.0).label("usd"),
        sa.func.count().filter(KNOWN, CALLS.c.usd.is_(None)).label("unpriced"),
        sa.func.count().filter(KNOWN).label("calls"),
        *(
            sa.func.coalesce(sa.func.sum(CALLS.c[name]).filter(KNOWN), 0).label(name)
            for name in ("input_tokens", "cached_tokens", "output_tokens")
        ),
    ]
