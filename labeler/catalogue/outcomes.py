"""Writing down how a stage of a feature ended, where its lease is still held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from labeler.catalogue.labels import CARRIED
from labeler.catalogue.queue import FREE
from labeler.catalogue.records import Claim, ControlOutcome, LabelOutcome, ScoreRecord
from labeler.catalogue.tables import CANDIDATES, FEATURES, SCORES
from labeler.errors import LabelerError


def finish_label(connection: Connection, claim: Claim, outcome: LabelOutcome, *, now: float) -> bool:
    """Stores a labelling with its candidates and scores; False, and nothing stored, where the lease was lost.

    Where it has no candidates, no controls, or no score of some key (an ``unscored`` one is none), what the feature was
    given of them stays.
    """
    controlled = outcome.state != "failed" and len(outcome.scores) > 0
    changed = connection.execute(
        sa.update(FEATURES)
        .where(*_held(claim, "label"))
        .values(
            **FREE,
            stage="control" if controlled else "done",
            begun=False,
            state=outcome.state,
            reason=outcome.reason,
            failure=(outcome.failure or LabelerError.kind) if outcome.state == "failed" else None,
            not_before=0.0,
            attempts=0 if controlled else FEATURES.c.attempts,
            chosen=outcome.chosen,
            controls=FEATURES.c.controls if outcome.controls is None else outcome.controls,
            finished_at=now,
        )
    )
    if not changed.rowcount:
        return False
    if outcome.candidates:
        connection.execute(
            sa.delete(CANDIDATES).where(CANDIDATES.c.run_id == claim.run_id, CANDIDATES.c.index == claim.index)
        )
    _insert(
        connection,
        CANDIDATES,
        claim,
        [{"position": position, **vars(candidate)} for position, candidate in enumerate(outcome.candidates)],
    )
    _replace_scores(connection, claim, _made(connection, claim, outcome.scores))
    return True


def finish_control(connection: Connection, claim: Claim, outcome: ControlOutcome, *, now: float) -> bool:
    """Adds what the control pass found; False, and nothing stored, where the lease was lost."""
    row = connection.execute(sa.select(FEATURES.c.controls).where(*_held(claim, "control")).with_for_update()).first()
    if row is None:
        return False
    controls: Mapping[str, Any] = {**(row.controls or {}), **outcome.controls}
    connection.execute(
        sa.update(FEATURES)
        .where(*_held(claim, "control"))
        .values(**FREE, stage="done", begun=False, not_before=0.0, controls=controls or None, finished_at=now)
    )
    _replace_scores(connection, claim, outcome.scores)
    return True


def _held(claim: Claim, stage: str) -> list[sa.ColumnElement[bool]]:
    """What is true of the claim's row for as long as nobody else has taken it, even where its time is up."""
    return [
        FEATURES.c.run_id == claim.run_id,
        FEATURES.c.index == claim.index,
        FEATURES.c.stage == stage,
        FEATURES.c.lease_token == claim.token,
    ]


def _made(connection: Connection, claim: Claim, records: Sequence[ScoreRecord]) -> list[ScoreRecord]:
    """The scores without those that are ``unscored`` where another run has scored this very label: what was not made anew
    stands."""
    missing = [score.key for score in records if score.state == "unscored"]
    mine = SCORES.c.run_id == claim.run_id, SCORES.c.index == claim.index, SCORES.c.key.in_(missing)
    there = connection.execute(sa.select(SCORES.c.key, SCORES.c.details).where(*mine)) if missing else ()
    standing = {key for key, details in there if CARRIED in details}
    return [score for score in records if score.key not in standing or score.state != "unscored"]


def _replace_scores(connection: Connection, claim: Claim, records: Sequence[ScoreRecord]) -> None:
    """Stores scores in the place of those of the same keys."""
    keys = [score.key for score in records]
    connection.execute(
        sa.delete(SCORES).where(SCORES.c.run_id == claim.run_id, SCORES.c.index == claim.index, SCORES.c.key.in_(keys))
    )
    _insert(connection, SCORES, claim, [dict(vars(record)) for record in records])


def _insert(connection: Connection, table: sa.Table, claim: Claim, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(table), [{"run_id": claim.run_id, "index": claim.index, **row} for row in rows])
