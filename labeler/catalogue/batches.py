"""Batches of pending requests: gathered, under a lease of whoever sees to them, and what is certain of each."""

from __future__ import annotations

import dataclasses
import secrets
import uuid
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from labeler.catalogue import answers, calls, pacing
from labeler.catalogue.queue import FREE, chunks, running
from labeler.catalogue.records import OPEN, BatchRecord, BatchState, PendingRecord, Settlement
from labeler.catalogue.requests import ANSWERED_BY_NOW, COLUMNS
from labeler.catalogue.tables import BATCHES, CALLS, FEATURES, REQUESTS, RUNS, is_open
from labeler.llm.protocol import Reply

MOST_TRIES = 5
"""In how many batches a request may come to nothing before it is given up."""

UNSENT = REQUESTS.c.batch_id.is_(None)
UNDER_WAY = ("new", "sending", "sent")


def gather(
    connection: Connection, most: int, *, lease_seconds: float, now: float, run_ids: Sequence[str] | None
) -> BatchRecord | None:
    """A new batch of at most ``most`` requests of one model, under the caller's lease; None where none is due.

    A run's requests are gathered when there are enough for a whole batch, or when nothing of the run is left that could
    add to them. Those that came to nothing before travel in batches of half the size, a quarter, and so on.
    """
    for run_id in batch_runs(connection, run_ids):
        if _next(connection, run_id, most) is None:
            continue
        # Once more, when nobody else gathers or answers any more.
        answers.hold(connection)
        _catch_up(connection, run_id)
        found = _next(connection, run_id, most)
        if found is not None:
            return _gather(connection, run_id, *found, lease_seconds, now)
    return None


def gatherable(connection: Connection, run_ids: Sequence[str] | None) -> bool:
    """Whether ``gather`` would find anything in a run that waits for it; one at work gathers as it goes."""
    ids = batch_runs(connection, run_ids)
    unsent = sa.exists().where(REQUESTS.c.run_id == sa.bindparam("run_id"), UNSENT)
    return any(
        settled_down(connection, run_id) and connection.scalar(sa.select(unsent), {"run_id": run_id}) for run_id in ids
    )


def batch_runs(connection: Connection, run_ids: Sequence[str] | None) -> list[str]:
    """The running runs that ask through batches, oldest first; of those named, where any are."""
    ids = running(connection, run_ids)
    configs = {
        row.id: row.config for row in connection.execute(sa.select(RUNS.c.id, RUNS.c.config).where(RUNS.c.id.in_(ids)))
    }
    return [run_id for run_id in ids if configs[run_id].get("labelling", {}).get("mode") == "batch"]


def settled_down(connection: Connection, run_id: str) -> bool:
    """Whether nothing of a run can be worked on before answers come: all that is open is parked.

    Control work that has to wait for labels counts as waiting, and so does what a budget has no money to begin.
    """
    stage = "label" if _any(connection, run_id, FEATURES.c.stage == "label") else "control"
    left = [FEATURES.c.stage == stage, FEATURES.c.parked.is_(False)]
    if not _any(connection, run_id, *left):
        return True
    pace = pacing.pace(connection, run_id, stage)
    if pace is None or pace.more or _any(connection, run_id, *left, FEATURES.c.begun):
        return False
    return pace.free is None or not _any(connection, run_id, *left, *pace.free)


def claim(
    connection: Connection, *, lease_seconds: float, now: float, run_ids: Sequence[str] | None
) -> BatchRecord | None:
    """The batch that has been due for longest, now under the caller's lease; None where none is.

    Of a run that is not running, only what may have been sent: its money is out.
    """
    query = sa.select(BATCHES.c.id).where(*_due(now, run_ids)).order_by(BATCHES.c.not_before, BATCHES.c.id).limit(1)
    picked = query.with_for_update(skip_locked=True).cte("picked")
    token = uuid.uuid4().hex
    row = connection.execute(
        sa.update(BATCHES)
        .where(BATCHES.c.id.in_(sa.select(picked.c.id)))
        .values(lease_token=token, lease_until=now + lease_seconds)
        .returning(*_BATCH)
    ).first()
    return None if row is None else BatchRecord(**row._mapping, token=token)


def due(connection: Connection, *, now: float, run_ids: Sequence[str] | None) -> bool:
    """Whether ``claim`` would find one."""
    return bool(connection.scalar(sa.select(sa.exists(sa.select(BATCHES.c.id).where(*_due(now, run_ids))))))


def requests(connection: Connection, batch: BatchRecord) -> list[PendingRecord]:
    """The requests of a batch of which nothing has come yet, by feature: where money is short, some are had whole."""
    query = sa.select(*COLUMNS).where(REQUESTS.c.run_id == batch.run_id, REQUESTS.c.batch_id == batch.id)
    in_order = query.order_by(REQUESTS.c.index, REQUESTS.c.key)
    return [PendingRecord(**row._mapping) for row in connection.execute(in_order)]


def drop_answered(connection: Connection, batch: BatchRecord, *, now: float) -> None:
    """Takes out of a batch that has not been sent what somebody else got an answer to, and gives its money back."""
    calls.lock(connection, batch.run_id)
    answers.hold(connection)
    if connection.scalar(sa.select(BATCHES.c.state).where(*_held(batch))) != "new":
        return
    columns = [REQUESTS.c.key, REQUESTS.c.index.label("feature")]
    query = sa.select(*columns).where(REQUESTS.c.run_id == batch.run_id, REQUESTS.c.batch_id == batch.id)
    for some in chunks(connection.execute(query.where(ANSWERED_BY_NOW)).all()):
        keys = [row.key for row in some]
        put_down = sa.select(CALLS.c.id).where(
            CALLS.c.run_id == batch.run_id,
            CALLS.c.index.in_({row.feature for row in some}),
            CALLS.c.key.in_(keys),
            CALLS.c.mode == "batch",
            CALLS.c.outcome == OPEN,
        )
        unsent = [Settlement(call=call, outcome="unsent", usage=None) for call in connection.scalars(put_down)]
        calls.settle(connection, unsent, now=now)
        _forget(connection, batch, keys)


def mark(
    connection: Connection,
    batch: BatchRecord,
    state: BatchState | None,
    provider_id: str | None,
    not_before: float | None,
) -> bool:
    """Puts down what is certain of a batch by now; with ``not_before`` it is also given back until then.

    Without a ``state`` it stays in the one that it is in, which the holder's record may be behind.
    """
    values: dict[str, object] = {} if state is None else {"state": state}
    if provider_id is not None:
        values["provider_id"] = provider_id
    if not_before is not None:
        values |= {**FREE, "not_before": not_before}
    return bool(connection.execute(sa.update(BATCHES).where(*_held(batch)).values(**values)).rowcount)


def split(connection: Connection, batch: BatchRecord, keys: Sequence[str], *, not_before: float, now: float) -> None:
    """Moves requests of a batch that is not sent yet into a new one, for nobody to take before ``not_before``."""
    other = _new(connection, batch.run_id, batch.backend, None, 0.0, now)
    connection.execute(sa.update(BATCHES).where(BATCHES.c.id == other.id).values(**FREE, not_before=not_before))
    answers.hold(connection)
    _move(connection, batch, keys, other.id)


def unship(connection: Connection, batch: BatchRecord, keys: Sequence[str]) -> None:
    """Takes requests out of a batch; they wait for another."""
    answers.hold(connection)
    _move(connection, batch, keys, None)
    _catch_up(connection, batch.run_id)


def fail(connection: Connection, batch: BatchRecord, reasons: Mapping[str, str], *, again: bool, now: float) -> None:
    """Requests of a batch came to nothing: they wait for another, or are answered by their rejection.

    ``reasons`` are by key. One that came to nothing MOST_TRIES times is not sent again.
    """
    answers.hold(connection)
    given_up = []
    for one in requests(connection, batch):
        if one.key not in reasons:
            continue
        if again and one.tries + 1 < MOST_TRIES:
            connection.execute(
                sa.update(REQUESTS)
                .where(REQUESTS.c.run_id == batch.run_id, REQUESTS.c.key == one.key)
                .values(batch_id=None, tries=one.tries + 1)
            )
        else:
            reply = Reply(stop="rejected", said=reasons[one.key])
            given_up.append(answers.row(one.key, reply, True, batch.backend, batch.run_id, one.index, now=now))
    answers.keep(connection, given_up)
    _forget(connection, batch, [row["key"] for row in given_up])
    _catch_up(connection, batch.run_id)


def provider_ids(connection: Connection, backend: str) -> list[str]:
    """All names that a model's provider gave to batches of ours."""
    query = sa.select(BATCHES.c.provider_id).where(BATCHES.c.backend == backend, BATCHES.c.provider_id.is_not(None))
    return list(connection.scalars(query))


_BATCH = [BATCHES.c[field.name] for field in dataclasses.fields(BatchRecord) if field.name != "token"]


def _gather(
    connection: Connection, run_id: str, backend: str, tries: int, size: int, lease_seconds: float, now: float
) -> BatchRecord:
    keys = list(
        connection.scalars(
            sa.select(REQUESTS.c.key)
            .where(REQUESTS.c.run_id == run_id, REQUESTS.c.backend == backend, REQUESTS.c.tries == tries, UNSENT)
            .order_by(REQUESTS.c.index, REQUESTS.c.key)
            .limit(size)
        )
    )
    batch = _new(connection, run_id, backend, uuid.uuid4().hex, now + lease_seconds, now)
    for some in chunks(keys):
        connection.execute(
            sa.update(REQUESTS).where(REQUESTS.c.run_id == run_id, REQUESTS.c.key.in_(some)).values(batch_id=batch.id)
        )
    return batch


def _catch_up(connection: Connection, run_id: str) -> None:
    """Drops questions that came back unanswered from a batch, but that somebody else got an answer to meanwhile."""
    query = sa.select(REQUESTS.c.key).where(REQUESTS.c.run_id == run_id, UNSENT, ANSWERED_BY_NOW)
    answers.wake(connection, connection.scalars(query).all())


def _new(
    connection: Connection, run_id: str, backend: str, token: str | None, lease_until: float, now: float
) -> BatchRecord:
    batch_id = secrets.token_hex(6)
    connection.execute(
        sa.insert(BATCHES).values(
            id=batch_id,
            run_id=run_id,
            backend=backend,
            state="new",
            created_at=now,
            not_before=0.0,
            lease_token=token,
            lease_until=lease_until if token else None,
        )
    )
    return BatchRecord(
        id=batch_id,
        run_id=run_id,
        backend=backend,
        state="new",
        provider_id=None,
        created_at=now,
        token=token or "",
    )


def _forget(connection: Connection, batch: BatchRecord, keys: Sequence[str]) -> None:
    for some in chunks(sorted(keys)):
        connection.execute(
            sa.delete(REQUESTS).where(
                REQUESTS.c.run_id == batch.run_id, REQUESTS.c.key.in_(some), REQUESTS.c.batch_id == batch.id
            )
        )


def _move(connection: Connection, batch: BatchRecord, keys: Sequence[str], to: str | None) -> None:
    for some in chunks(sorted(keys)):
        connection.execute(
            sa.update(REQUESTS)
            .where(REQUESTS.c.run_id == batch.run_id, REQUESTS.c.key.in_(some), REQUESTS.c.batch_id == batch.id)
            .values(batch_id=to)
        )


def _next(connection: Connection, run_id: str, most: int) -> tuple[str, int, int] | None:
    """Of what model, of how many tries and how large a run's next batch is; None where it is to have none yet."""
    for backend, tries, n in _unsent(connection, run_id):
        size = max(1, most >> tries)
        if n >= size or settled_down(connection, run_id):
            return backend, tries, size
    return None


def _unsent(connection: Connection, run_id: str) -> list[tuple[str, int, int]]:
    """Model, tries, and how many of its requests wait for a batch."""
    query = (
        sa.select(REQUESTS.c.backend, REQUESTS.c.tries, sa.func.count())
        .where(REQUESTS.c.run_id == run_id, UNSENT)
        .group_by(REQUESTS.c.backend, REQUESTS.c.tries)
        .order_by(REQUESTS.c.tries.desc(), REQUESTS.c.backend)
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def _due(now: float, run_ids: Sequence[str] | None) -> list[sa.ColumnElement[bool]]:
    runs = sa.exists().where(RUNS.c.id == BATCHES.c.run_id, sa.or_(RUNS.c.state == "running", BATCHES.c.state != "new"))
    conditions: list[sa.ColumnElement[bool]] = [
        BATCHES.c.state.in_(UNDER_WAY),
        BATCHES.c.not_before <= now,
        sa.or_(BATCHES.c.lease_until.is_(None), BATCHES.c.lease_until <= now),
        runs,
    ]
    return conditions if run_ids is None else [*conditions, BATCHES.c.run_id.in_(run_ids)]


def _held(batch: BatchRecord) -> list[sa.ColumnElement[bool]]:
    return [BATCHES.c.id == batch.id, BATCHES.c.lease_token == batch.token]


def _any(connection: Connection, run_id: str, *conditions: sa.ColumnElement[bool]) -> bool:
    found = sa.exists().where(FEATURES.c.run_id == run_id, is_open(FEATURES), *conditions)
    return bool(connection.scalar(sa.select(found)))
