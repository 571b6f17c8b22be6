"""Replies that were paid for, and whoever waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from labeler.catalogue.queue import chunks
from labeler.catalogue.records import StoredAnswer
from labeler.catalogue.tables import ANSWERS, FEATURES, REQUESTS, RUNS, WAITS
from labeler.llm.protocol import Reply, Usage

KEPT = ("text", "stop", "said", "input_tokens", "cached_tokens", "output_tokens", "usd", "useless")
"""The columns that make up an answer."""

_LOCK = 0x616E7377
"""What the lock is known by in a PostgreSQL database; any number that nothing else uses."""


def hold(connection: Connection) -> None:
    """Keeps answers, questions and waits, of all runs, as they are for others until the transaction ends.

    One run's answer may be what another run's feature waits for: without this, of two that store a feature's last two
    answers at once each would see the other's missing, and neither would wake it. Whoever locks a run as well does that
    before. On SQLite a transaction that writes has the database for itself.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def find(connection: Connection, keys: Sequence[str]) -> dict[str, StoredAnswer]:
    """The answers that are kept under some keys."""
    found = {}
    for some in chunks(keys):
        columns = [ANSWERS.c.key, *(ANSWERS.c[name] for name in KEPT)]
        for row in connection.execute(sa.select(*columns).where(ANSWERS.c.key.in_(some))):
            usage = Usage(
                input_tokens=row.input_tokens,
                cached_tokens=row.cached_tokens,
                output_tokens=row.output_tokens,
                usd=row.usd,
            )
            reply = Reply(text=row.text, stop=row.stop, said=row.said, usage=usage)
            found[row.key] = StoredAnswer(reply=reply, useless=row.useless)
    return found


def row(key: str, reply: Reply, useless: bool, backend: str, run_id: str, index: int, *, now: float) -> dict[str, Any]:
    """An answer as a row."""
    return {
        "key": key,
        "text": reply.text,
        "stop": reply.stop,
        "said": reply.said,
        **vars(reply.usage),
        "useless": useless,
        "backend": backend,
        "run_id": run_id,
        "index": index,
        "created_at": now,
    }


def keep(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Stores answers and wakes whoever waits for them; the first to a question stays, unless it was useless."""
    if not rows:
        return
    hold(connection)
    insert = sqlite.insert(ANSWERS) if connection.dialect.name == "sqlite" else postgresql.insert(ANSWERS)
    replaced = {name: insert.excluded[name] for name in KEPT}
    connection.execute(
        insert.on_conflict_do_update(index_elements=["key"], set_=replaced, where=ANSWERS.c.useless),
        sorted(rows, key=lambda one: str(one["key"])),
    )
    wake(connection, [one["key"] for one in rows])


def wake(connection: Connection, keys: Sequence[str]) -> None:
    """Makes features claimable that wait for nothing but these answers; the questions are no longer pending.

    What travels in a batch stays with it until the batch is back: its call has to be settled then.
    """
    hold(connection)
    for some in chunks(keys):
        woken = connection.execute(
            sa.delete(WAITS).where(WAITS.c.key.in_(some)).returning(WAITS.c.run_id, WAITS.c.index)
        ).all()
        connection.execute(sa.delete(REQUESTS).where(REQUESTS.c.key.in_(some), REQUESTS.c.batch_id.is_(None)))
        by_run: dict[str, set[int]] = {}
        for run_id, index in woken:
            by_run.setdefault(run_id, set()).add(index)
        for run_id, indices in sorted(by_run.items()):
            unpark(connection, run_id, sorted(indices))


def unpark(connection: Connection, run_id: str, indices: Sequence[int]) -> None:
    """Makes features claimable that wait for no answer any more."""
    waits = sa.exists().where(WAITS.c.run_id == FEATURES.c.run_id, WAITS.c.index == FEATURES.c.index)
    for some in chunks(indices):
        connection.execute(
            sa.update(FEATURES)
            .where(FEATURES.c.run_id == run_id, FEATURES.c.index.in_(some), FEATURES.c.parked, ~waits)
            .values(parked=False)
        )


def mark_useless(connection: Connection, keys: Sequence[str]) -> None:
    """Says of answers that they led nowhere."""
    hold(connection)
    for some in chunks(keys):
        connection.execute(
            sa.update(ANSWERS).where(ANSWERS.c.key.in_(some), ANSWERS.c.useless.is_(False)).values(useless=True)
        )


def forget_useless(connection: Connection, dictionary: str, indices: Sequence[int]) -> None:
    """Drops the answers to questions about some features that led nowhere, so that they are asked anew.

    Also those that another run bought: the one that is retried met them just the same.
    """
    hold(connection)
    runs = sa.select(RUNS.c.id).where(RUNS.c.dictionary == dictionary)
    for some in chunks(indices):
        connection.execute(
            sa.delete(ANSWERS).where(ANSWERS.c.run_id.in_(runs), ANSWERS.c.index.in_(some), ANSWERS.c.useless)
        )
