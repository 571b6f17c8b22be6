"""Calls of language models, and what they cost."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from labeler.catalogue.records import ANSWERED, OPEN, UNKNOWN
from labeler.catalogue.tables import CALLS
from labeler.llm.endpoints import same_model

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
    """The mean tokens of a model's answers to a prompt, in whichever run and under any name of its own.

    None where there are none.
    """
    query = sa.select(CALLS.c.backend, sa.func.sum(CALLS.c.output_tokens), sa.func.count()).where(
        CALLS.c.prompt == prompt, CALLS.c.outcome == ANSWERED
    )
    found = [
        (total, n)
        for name, total, n in connection.execute(query.group_by(CALLS.c.backend))
        if same_model(name, backend)
    ]
    return float(sum(total for total, _ in found)) / sum(n for _, n in found) if found else None
