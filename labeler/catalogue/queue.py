"""Leases: who works on which feature, and until when."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from labeler.catalogue import pacing
from labeler.catalogue.records import Claim
from labeler.catalogue.tables import FEATURES, RUNS, is_open
from labeler.llm.errors import NO_ROOM

T = TypeVar("T")

CHUNK = 500
"""How many values stand in one list of a statement."""

FREE = {"lease_token": None, "lease_until": None}
"""The columns of a row that nobody holds."""


def claim(
    connection: Connection, *, n: int, lease_seconds: float, now: float, run_ids: Sequence[str] | None
) -> tuple[list[Claim], list[str]]:
    """Up to ``n`` features under a lease of the caller's, older runs first, and the runs that had none to give.

    A feature is control work only where no label of its run is still to come. Of a run with a budget no more are taken
    than what is left of it is expected to finish.
    """
    claims: list[Claim] = []
    idle: list[str] = []
    for run_id in running(connection, run_ids):
        left = n - len(claims)
        if left <= 0:
            break
        taken = _take_at_pace(connection, run_id, "label", left, lease_seconds, now)
        # The statement has the same condition; asking first spares it a walk over all rows that wait for control.
        if len(taken) < left and not has_open(connection, run_id, "label"):
            taken += _take_at_pace(connection, run_id, "control", left - len(taken), lease_seconds, now)
        if not taken:
            idle.append(run_id)
        claims += taken
    return claims, idle


def claimable(connection: Connection, *, now: float, run_ids: Sequence[str] | None) -> tuple[bool, list[str]]:
    """Whether ``claim`` would find anything, and the running runs that have nothing left to do."""
    ended: list[str] = []
    for run_id in running(connection, run_ids):
        stage: Literal["label", "control"]
        if has_open(connection, run_id, "label"):
            stage = "label"
        elif has_open(connection, run_id, "control"):
            stage = "control"
        else:
            ended.append(run_id)
            continue
        pace = pacing.pace(connection, run_id, stage)
        which: list[Sequence[sa.ColumnElement[bool]]] = [()]
        if pace is not None and not pace.is_broke:  # who finds a run without money pauses it
            which = [pace.paid if pace.more else [FEATURES.c.begun, *pace.paid]]
            which += [] if pace.free is None else [pace.free]
        if any(connection.scalar(sa.select(sa.exists().where(*_free(run_id, stage, now), *one))) for one in which):
            return True, ended
    return False, ended


def extend(connection: Connection, claims: Sequence[Claim], *, lease_seconds: float, now: float) -> list[Claim]:
    """Those of the claims that are still held; their leases now run out ``lease_seconds`` after ``now``."""
    held = set(_update_held(connection, claims, {"lease_until": now + lease_seconds}))
    return [claim for claim in claims if (claim.run_id, claim.index) in held]


def release(connection: Connection, claims: Sequence[Claim], *, not_before: float, tried: bool) -> int:
    """Gives back those of the claims that are still held; nobody takes them before ``not_before``. How many."""
    attempts = {} if tried else {"attempts": FEATURES.c.attempts - 1}
    return len(_update_held(connection, claims, {**FREE, "not_before": not_before, **attempts}))


def running(connection: Connection, run_ids: Sequence[str] | None) -> list[str]:
    """The runs that are running, oldest first; of those named, where any are."""
    query = sa.select(RUNS.c.id).where(RUNS.c.state == "running").order_by(RUNS.c.created_at, RUNS.c.id)
    if run_ids is not None:
        query = query.where(RUNS.c.id.in_(run_ids))
    return list(connection.scalars(query))


def has_open(connection: Connection, run_id: str, stage: str | None = None) -> bool:
    """Whether any feature of a run still wants work (in one stage, where one is named), leased or not."""
    return bool(connection.scalar(sa.select(_is_open(run_id, stage))))


def chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """The items in slices of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _is_open(run_id: str, stage: str | None) -> sa.Exists:
    rows = FEATURES.alias("open_rows")
    query = sa.select(sa.literal(1)).select_from(rows).where(rows.c.run_id == run_id, is_open(rows))
    if stage is not None:
        query = query.where(rows.c.stage == stage)
    return sa.exists(query)


def _free(run_id: str, stage: str, now: float) -> list[sa.ColumnElement[bool]]:
    """What is true of the rows that may be taken."""
    conditions: list[sa.ColumnElement[bool]] = [
        FEATURES.c.run_id == run_id,
        FEATURES.c.stage == stage,
        FEATURES.c.parked.is_(False),
        is_open(FEATURES),
        sa.or_(FEATURES.c.lease_until.is_(None), FEATURES.c.lease_until <= now),
        FEATURES.c.not_before <= now,
        sa.exists(sa.select(sa.literal(1)).select_from(RUNS).where(RUNS.c.id == run_id, RUNS.c.state == "running")),
    ]
    if stage == "control":
        conditions.append(~_is_open(run_id, "label"))
    return conditions


def _take_at_pace(
    connection: Connection, run_id: str, stage: Literal["label", "control"], n: int, lease_seconds: float, now: float
) -> list[Claim]:
    """Leases up to ``n`` features of one run and stage: what is begun first, and new ones as far as there is money.

    A run that has money for none, with none under way, is paused.
    """
    pace = pacing.pace(connection, run_id, stage, alone=True)
    if pace is None:
        return _take(connection, run_id, stage, n, lease_seconds, now)
    taken = _take(connection, run_id, stage, n, lease_seconds, now, [FEATURES.c.begun, *pace.paid])
    new = min(n - len(taken), pace.more)
    taken += _take(connection, run_id, stage, new, lease_seconds, now, [~FEATURES.c.begun, *pace.paid])
    if pace.free is not None:
        taken += _take(connection, run_id, stage, n - len(taken), lease_seconds, now, pace.free)
    if not taken and pace.is_broke and connection.scalar(sa.select(sa.exists().where(*_free(run_id, stage, now)))):
        same = [RUNS.c.id == run_id, RUNS.c.state == "running", RUNS.c.budget_usd == pace.budget_usd]
        connection.execute(sa.update(RUNS).where(*same).values(state="paused", reason=NO_ROOM))
    return taken


def _take(
    connection: Connection,
    run_id: str,
    stage: Literal["label", "control"],
    n: int,
    lease_seconds: float,
    now: float,
    which: Sequence[sa.ColumnElement[bool]] = (),
) -> list[Claim]:
    """Leases up to ``n`` features of one run and stage, lowest index first, in one statement."""
    if n <= 0:
        return []
    picked = (
        sa.select(FEATURES.c.index)
        .where(*_free(run_id, stage, now), *which)
        .order_by(FEATURES.c.index)
        .limit(n)
        # PostgreSQL only. Being a CTE with a lock, it is run once: a plain subquery may be run again and lock more.
        .with_for_update(skip_locked=True)
        .cte("picked")
    )
    token = uuid.uuid4().hex
    rows = connection.execute(
        sa.update(FEATURES)
        .where(FEATURES.c.run_id == run_id, FEATURES.c.index.in_(sa.select(picked.c.index)))
        .values(lease_token=token, lease_until=now + lease_seconds, begun=True, attempts=FEATURES.c.attempts + 1)
        .returning(FEATURES.c.index, FEATURES.c.attempts)
    )
    return [
        Claim(run_id=run_id, index=index, stage=stage, attempts=attempts, token=token)
        for index, attempts in sorted(tuple(row) for row in rows)
    ]


def _update_held(connection: Connection, claims: Sequence[Claim], values: dict[str, Any]) -> list[tuple[str, int]]:
    """Changes the rows whose lease is still the claim's; which those were, by run and index."""
    held: list[tuple[str, int]] = []

    def lease(claim: Claim) -> tuple[str, str]:
        return claim.run_id, claim.token

    for (run_id, token), group in groupby(sorted(claims, key=lease), key=lease):
        for some in chunks([claim.index for claim in group]):
            changed = connection.scalars(
                sa.update(FEATURES)
                .where(FEATURES.c.run_id == run_id, FEATURES.c.lease_token == token, FEATURES.c.index.in_(some))
                .values(**values)
                .returning(FEATURES.c.index)
            )
            held += [(run_id, index) for index in changed]
    return held
