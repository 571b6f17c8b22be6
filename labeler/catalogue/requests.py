"""Questions that are put later, and the features that are parked until they are answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from labeler.catalogue import answers, calls
from labeler.catalogue.queue import FREE, chunks
from labeler.catalogue.records import ANSWERED, CallRecord, Claim, PendingRecord
from labeler.catalogue.tables import ANSWERS, FEATURES, REQUESTS, WAITS
from labeler.llm.protocol import PendingRequest, Reply

PAGE = 1_000

ANSWERED_BY_NOW = sa.exists().where(ANSWERS.c.key == REQUESTS.c.key)
"""Whether a question that travels in a batch was answered meanwhile, to somebody else."""

COLUMNS = [REQUESTS.c[name] for name in PendingRecord.__dataclass_fields__]


def park(connection: Connection, claim: Claim, requests: Sequence[PendingRequest], *, now: float) -> bool:
    """Puts down what a feature waits for and gives up its lease; False, and nothing stored, where that was lost.

    Where everything has been answered meanwhile, the feature is claimable at once.
    """
    answers.hold(connection)  # so that no answer slips in between the look and the wait
    there = answers.find(connection, [request.key for request in requests])
    missing = [request for request in requests if request.key not in there]
    changed = connection.execute(
        sa.update(FEATURES)
        .where(
            FEATURES.c.run_id == claim.run_id,
            FEATURES.c.index == claim.index,
            FEATURES.c.stage == claim.stage,
            FEATURES.c.lease_token == claim.token,
        )
        .values(**FREE, parked=bool(missing), attempts=FEATURES.c.attempts - 1)
    )
    if not changed.rowcount:
        return False
    if missing:
        is_sqlite = connection.dialect.name == "sqlite"
        for table, rows in (
            (REQUESTS, [_row(claim, request, now) for request in missing]),
            (WAITS, [{"run_id": claim.run_id, "index": claim.index, "key": request.key} for request in missing]),
        ):
            insert = sqlite.insert(table) if is_sqlite else postgresql.insert(table)
            connection.execute(insert.on_conflict_do_nothing(), rows)
    return True


def pending(reader: Engine, run_id: str) -> Iterator[PendingRecord]:
    """A run's questions that nobody has answered, by feature, a page at a time."""
    after = (-1, "")
    while True:
        with reader.connect() as connection:
            rows = connection.execute(
                sa.select(*COLUMNS)
                .where(
                    REQUESTS.c.run_id == run_id,
                    ~ANSWERED_BY_NOW,
                    sa.tuple_(REQUESTS.c.index, REQUESTS.c.key) > sa.tuple_(*after),
                )
                .order_by(REQUESTS.c.index, REQUESTS.c.key)
                .limit(PAGE)
            ).all()
        if not rows:
            return
        found = [PendingRecord(**row._mapping) for row in rows]
        yield from found
        after = (found[-1].index, found[-1].key)


def put_answers(connection: Connection, run_id: str, found: Sequence[tuple[str, Reply]], *, now: float) -> int:
    """Stores answers that somebody else got to questions of a run; how many were to one that is pending."""
    answers.hold(connection)
    replies = dict(found)
    rows: list[PendingRecord] = []
    for some in chunks(sorted(replies)):
        wanted = [REQUESTS.c.run_id == run_id, REQUESTS.c.key.in_(some), ~ANSWERED_BY_NOW]
        query = sa.select(*COLUMNS).where(*wanted)
        rows += [PendingRecord(**row._mapping) for row in connection.execute(query)]
    made = []
    for row in rows:
        reply = replies[row.key]
        made.append(
            CallRecord(
                id=f"{run_id}-{row.key}",
                run_id=run_id,
                index=row.index,
                stage=row.stage,
                backend=row.backend,
                prompt=row.prompt,
                outcome=ANSWERED if reply.stop == "end" else reply.stop,
                mode="offline",
                key=row.key,
                created_at=now,
                **vars(reply.usage),
            )
        )
    calls.record(connection, made)
    answers.keep(
        connection,
        [
            answers.row(
                row.key, replies[row.key], replies[row.key].stop != "end", row.backend, run_id, row.index, now=now
            )
            for row in rows
        ],
    )
    return len(rows)


def _row(claim: Claim, request: PendingRequest, now: float) -> dict[str, object]:
    return {
        "run_id": claim.run_id,
        "key": request.key,
        "index": claim.index,
        "stage": claim.stage,
        "backend": request.backend,
        "prompt": request.prompt,
        "body": dict(request.body),
        "bound_input": request.bound.input_tokens,
        "bound_output": request.bound.output_tokens,
        "bound_usd": request.bound.usd,
        "tries": 0,
        "created_at": now,
    }
