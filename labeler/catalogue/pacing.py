"""How many features of a run with a budget may be begun: no more than what is left of it is expected to finish.

Else all would be explained and the money be gone before any of them has a score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from labeler.catalogue.tables import CALLS, FEATURES, RUNS, is_open

RECENT = 32
"""Features whose cost says what the next ones will take; those that were finished last."""


@dataclass(frozen=True)
class Pace:
    """How a stage of a run with a budget is gone about."""

    budget_usd: float
    more: int
    """Features that may be begun beside those that are begun."""
    paid: Sequence[sa.ColumnElement[bool]]
    """What is true of the rows that are meant."""
    free: Sequence[sa.ColumnElement[bool]] | None
    """What is true of those that cost nothing, of which any number may be begun; None where there are none."""
    is_broke: bool
    """Whether the budget does not finish another one, and none is under way that may give some of it back."""


def pace(connection: Connection, run_id: str, stage: str, *, alone: bool = False) -> Pace | None:
    """How many features a run may begin now; None where it has no budget, or one that needs no watching.

    As many as the rest of the budget has the money for, with the worst case of a call to spare: it has to be there for the
    last one too. A feature is taken to cost the mean of what those cost that ended last and, once, of the most that it was
    expected to cost when the run began (``expected_usd`` of its configuration). The first is begun in any case: what it
    costs is seen then. ``alone`` keeps others who claim waiting until the transaction ends: two at once would each begin
    as many.
    """
    if connection.scalar(sa.select(RUNS.c.budget_usd).where(RUNS.c.id == run_id)) is None:
        return None
    if alone and connection.dialect.name == "postgresql":  # who writes to SQLite is alone
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(f"pace {run_id}", 0))))
    run = connection.execute(
        sa.select(RUNS.c.budget_usd, RUNS.c.committed_usd, RUNS.c.config).where(RUNS.c.id == run_id)
    ).one()
    paid, free = _paid(run.config, stage)
    of_stage = [FEATURES.c.run_id == run_id, FEATURES.c.stage == stage, FEATURES.c.begun, is_open(FEATURES), *paid]
    begun = connection.scalar(sa.select(sa.func.count()).select_from(FEATURES).where(*of_stage)) or 0
    at_most = affordable(
        run.budget_usd - run.committed_usd,
        _took(connection, run_id, stage, paid),
        run.config.get("expected_usd", {}).get(stage),
    )
    if at_most is None:
        return None
    return Pace(run.budget_usd, max(0, at_most - begun), paid, free, is_broke=at_most + begun == 0)


def affordable(room: float, took: Sequence[float], expected: Mapping[str, float] | None) -> int | None:
    """How many features may be under way at once for ``room`` US dollars; None where they cost nothing.

    ``took`` is what some took, ``expected`` what a ``feature`` and a ``call`` take at most; without that knowledge there
    is always one under way.
    """
    to_spare = expected["call"] if expected else 0.0
    known = [*took, expected["feature"]] if expected else list(took)
    if not known:
        return 1
    if not sum(known):
        return None
    n = int(max(0.0, room - to_spare) / (sum(known) / len(known)))
    if n or not (took and expected):
        return max(1, n)
    return int(room >= sum(took) / len(took) + to_spare)


def _paid(
    config: dict[str, Any], stage: str
) -> tuple[Sequence[sa.ColumnElement[bool]], Sequence[sa.ColumnElement[bool]] | None]:
    """What is true of the rows of a stage that cost money, and of the others."""
    if stage != "control" or "paid_null" not in config:
        return [], None
    sample = config["paid_null"]["features"]
    return [FEATURES.c.index.in_(sample)], [FEATURES.c.index.not_in(sample)]


def _took(connection: Connection, run_id: str, stage: str, paid: Sequence[sa.ColumnElement[bool]]) -> list[float]:
    """What the features took in a stage that came out of it last, in US dollars; those that asked nobody left out.

    They are looked for below the first that has not: indices are gone through in order, and a run is too large to be
    summed every time that somebody claims.
    """
    of_stage = [FEATURES.c.run_id == run_id, FEATURES.c.stage == stage, is_open(FEATURES), *paid]
    firsts = [
        connection.scalar(
            sa.select(FEATURES.c.index)
            .where(*of_stage, FEATURES.c.parked.is_(waits))
            .order_by(FEATURES.c.index)
            .limit(1)
        )
        for waits in (False, True)
    ]
    open_ones = [first for first in firsts if first is not None]
    finished = [CALLS.c.index < min(open_ones)] if open_ones else []
    usd = sa.func.sum(CALLS.c.usd)
    query = (
        sa.select(CALLS.c.index, usd)
        .where(CALLS.c.run_id == run_id, CALLS.c.stage == stage, *finished)
        .group_by(CALLS.c.index)
        .having(usd.is_not(None))
        .order_by(CALLS.c.index.desc())
        .limit(RECENT)
    )
    return [float(row[1]) for row in connection.execute(query)]
