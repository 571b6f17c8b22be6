"""How far a run is, and what it has cost."""

from __future__ import annotations

from collections import Counter

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from labeler.catalogue import requests
from labeler.catalogue.calls import KNOWN, sums
from labeler.catalogue.records import Progress
from labeler.catalogue.tables import CALLS, FEATURES

_BORN_DONE = ("dead", "skipped")


def progress(connection: Connection, run_id: str) -> Progress:
    """Counts, tokens and money of one run."""
    leased = FEATURES.c.lease_token.is_not(None).label("leased")
    groups = connection.execute(
        sa.select(FEATURES.c.stage, FEATURES.c.state, FEATURES.c.parked, leased, sa.func.count().label("n"))
        .where(FEATURES.c.run_id == run_id)
        .group_by(FEATURES.c.stage, FEATURES.c.state, FEATURES.c.parked, leased)
    ).all()
    by_state: Counter[str] = Counter()
    by_stage: Counter[tuple[str, bool]] = Counter()
    parked = 0
    for stage, state, waits, held, n in groups:
        by_stage[stage, bool(held)] += n
        parked += n if waits and stage == "label" else 0
        if state is not None:
            by_state[state] += n
    first, last = connection.execute(
        sa.select(sa.func.min(FEATURES.c.finished_at), sa.func.max(FEATURES.c.finished_at)).where(
            FEATURES.c.run_id == run_id, FEATURES.c.state.not_in(_BORN_DONE)
        )
    ).one()
    cost = connection.execute(
        sa.select(
            *sums(),
            sa.func.count().filter(~KNOWN).label("unknown"),
            sa.func.coalesce(sa.func.sum(CALLS.c.usd).filter(~KNOWN), 0.0).label("unknown_usd"),
        ).where(CALLS.c.run_id == run_id)
    ).one()
    return Progress(
        total=by_stage.total(),
        by_state=dict(by_state),
        waiting=by_stage["label", False] - parked,
        leased=by_stage["label", True],
        parked=parked,
        in_control=by_stage["control", False] + by_stage["control", True],
        done=by_stage["done", False],
        failed=by_state["failed"],
        usd=cost.usd,
        calls=cost.calls,
        input_tokens=cost.input_tokens,
        cached_tokens=cost.cached_tokens,
        output_tokens=cost.output_tokens,
        unpriced_calls=cost.unpriced,
        unknown_calls=cost.unknown,
        unknown_usd=cost.unknown_usd,
        pending=requests.count(connection, run_id),
        first_finished_at=first,
        last_finished_at=last,
    )
