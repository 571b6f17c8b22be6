"""Calls of language models, and what they cost."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from labeler.catalogue.records import ANSWERED, OPEN, UNKNOWN
from labeler.catalogue.tables import CALLS

KNOWN = CALLS.c.outcome.not_in([OPEN, UNKNOWN])


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


def usual_answer(connection: Connection, backend: str, prompt: str) -> float | None:
    """The mean tokens of a model's answers to a prompt, in whichever run; None where there are none."""
    found = connection.scalar(
        sa.select(sa.func.avg(CALLS.c.output_tokens)).where(
            CALLS.c.backend == backend, CALLS.c.prompt == prompt, CALLS.c.outcome == ANSWERED
        )
    )
    return None if found is None else float(found)
