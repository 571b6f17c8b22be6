"""Calls of language models and their money: put down with their worst case before they are made, settled afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Row

from labeler.catalogue import answers
from labeler.catalogue.queue import chunks
from labeler.catalogue.records import ANSWERED, OPEN, UNKNOWN, CallRecord, Settlement
from labeler.catalogue.tables import CALLS, REQUESTS, RUNS
from labeler.llm.concurrency import GRACE_SECONDS, SECONDS_A_TOKEN, TOTAL_SECONDS
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


# A row's own ``index`` is a method of tuples.
_PUT_DOWN = [
    CALLS.c.index.label("feature"),
    *(CALLS.c[name] for name in ("id", "run_id", "backend", "key", "mode", "usd")),
]

DUST = 1e-9
"""US dollars that sums of floating point may be off."""


def reserve(connection: Connection, calls: Sequence[CallRecord]) -> set[str]:
    """Puts down calls that are about to be made; the ids of those for which their run has no money.

    A run takes them by feature while its budget has room for their worst cases; one without a budget takes all, a paused
    one none. Of a run with a budget, calls of unknown price are refused. One that is there already is left as it is.
    """
    refused: set[str] = set()
    by_feature = sorted(calls, key=lambda call: (call.run_id, call.index))
    for run_id, group in groupby(by_feature, key=lambda call: call.run_id):
        refused |= _reserve(connection, run_id, list(group))
    return refused


def _reserve(connection: Connection, run_id: str, calls: Sequence[CallRecord]) -> set[str]:
    run = lock(connection, run_id)
    there = _known(connection, [call.id for call in calls])
    committed, taken, refused = run.committed_usd, [], set()
    for call in calls:
        if call.id in there:
            continue
        worst = call.usd
        has_room = run.budget_usd is None or (worst is not None and committed + worst <= run.budget_usd + DUST)
        if run.state == "paused" or not has_room:
            refused.add(call.id)
            continue
        committed += worst or 0.0
        taken.append(dict(vars(call)))
    if taken:
        connection.execute(sa.insert(CALLS), taken)
        connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(committed_usd=committed))
    return refused


def settle(connection: Connection, settlements: Sequence[Settlement], *, now: float) -> None:
    """Puts down how calls ended: what they took in the place of their worst case, and their replies.

    A call that was settled before, or never put down, is left alone: settling twice is settling once.
    """
    wanted = {settlement.call: settlement for settlement in settlements}
    runs = set()
    for some in chunks(sorted(wanted)):
        runs |= set(connection.scalars(sa.select(CALLS.c.run_id).where(CALLS.c.id.in_(some)).distinct()))
    for run_id in sorted(runs):
        lock(connection, run_id)
    given_back: dict[str, float] = {}
    kept: list[dict[str, Any]] = []
    back: list[tuple[str, str]] = []
    for some in chunks(sorted(wanted)):
        rows = connection.execute(sa.select(*_PUT_DOWN).where(CALLS.c.id.in_(some), CALLS.c.outcome == OPEN)).all()
        for row in rows:
            settlement = wanted[row.id]
            took = _settle(connection, settlement, row.usd)
            given_back[row.run_id] = given_back.get(row.run_id, 0.0) + took - (row.usd or 0.0)
            if settlement.reply is not None and row.key is not None:
                useless = settlement.outcome != ANSWERED
                kept.append(
                    answers.row(row.key, settlement.reply, useless, row.backend, row.run_id, row.feature, now=now)
                )
                if row.mode == "batch":
                    back.append((row.run_id, row.key))
    for run_id, change in sorted(given_back.items()):
        connection.execute(
            sa.update(RUNS).where(RUNS.c.id == run_id).values(committed_usd=RUNS.c.committed_usd + change)
        )
    answers.keep(connection, kept)
    for pairs in chunks(back):
        travelled = sa.tuple_(REQUESTS.c.run_id, REQUESTS.c.key).in_(pairs)
        connection.execute(sa.delete(REQUESTS).where(travelled))


def _settle(connection: Connection, settlement: Settlement, worst: float | None) -> float:
    """What a call took, in US dollars; its worst case where the provider did not say what it took."""
    if settlement.usage is None:
        connection.execute(sa.delete(CALLS).where(CALLS.c.id == settlement.call))
        return 0.0
    usd = worst if settlement.usage.usd is None else settlement.usage.usd
    connection.execute(
        sa.update(CALLS)
        .where(CALLS.c.id == settlement.call)
        .values(outcome=settlement.outcome, **{**vars(settlement.usage), "usd": usd})
    )
    return usd or 0.0


def lock(connection: Connection, run_id: str) -> Row[float | None, float, str]:
    """Holds a run against other changes of its state and money; who holds several takes them by id. Its money and state.

    Rows that refer to it may be added meanwhile.
    """
    return connection.execute(
        sa.select(RUNS.c.budget_usd, RUNS.c.committed_usd, RUNS.c.state)
        .where(RUNS.c.id == run_id)
        .with_for_update(key_share=True)
    ).one()


def record(connection: Connection, calls: Sequence[CallRecord]) -> None:
    """Stores calls that others made; one whose id is there already is left as it is."""
    if calls:
        insert = sqlite.insert(CALLS) if connection.dialect.name == "sqlite" else postgresql.insert(CALLS)
        rows = sorted((dict(vars(call)) for call in calls), key=lambda row: str(row["id"]))
        connection.execute(insert.on_conflict_do_nothing(index_elements=["id"]), rows)


def has_open(connection: Connection, run_id: str, now: float) -> bool:
    """Whether a call of a run is being made: one that may still take time, or travels in a batch.

    One that is open for longer than it may take was killed with its worker.
    """
    begun = CALLS.c.created_at + GRACE_SECONDS
    may_take = sa.or_(begun + TOTAL_SECONDS > now, begun + CALLS.c.output_tokens * SECONDS_A_TOKEN > now)
    lives = sa.or_(may_take, CALLS.c.mode == "batch")
    found = sa.exists().where(CALLS.c.run_id == run_id, CALLS.c.outcome == OPEN, lives)
    return bool(connection.scalar(sa.select(found)))


def _known(connection: Connection, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for some in chunks(ids):
        found |= set(connection.scalars(sa.select(CALLS.c.id).where(CALLS.c.id.in_(some))))
    return found
