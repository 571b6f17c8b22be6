"""Runs as a whole: created, found, stopped, taken up again, closed."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row
from sqlalchemy.exc import IntegrityError

from labeler.catalogue import answers
from labeler.catalogue.database import clean_text
from labeler.catalogue.labels import CARRIED, take_over
from labeler.catalogue.queue import FREE, chunks, has_open
from labeler.catalogue.records import NewFeature, NewRun, RunRecord
from labeler.catalogue.tables import BATCHES, CANDIDATES, FEATURES, RUNS, SCORES, is_open
from labeler.errors import InputError

BULK = 10_000
"""Features inserted with one statement."""

NAMED = 8
"""Runs that a message lists."""


def create(connection: Connection, run: NewRun, *, now: float) -> str:
    """Stores a run with all its features, and with what they are given or take over; its id.

    Raises InputError where it has no features or the same one twice.
    """
    if not run.features:
        raise InputError(f"a run over '{run.dictionary}' needs at least one feature")
    run_id = secrets.token_hex(6)
    ended = all(feature.state is not None for feature in run.features)
    connection.execute(
        sa.insert(RUNS).values(
            id=run_id,
            dictionary=run.dictionary,
            state="finished" if ended else "running",
            created_at=now,
            finished_at=now if ended else None,
            config=run.config,
            n_features=len(run.features),
            budget_usd=run.budget_usd,
            committed_usd=0.0,
        )
    )
    try:
        for some in chunks(run.features, BULK):
            connection.execute(sa.insert(FEATURES), [_feature(run_id, feature, now) for feature in some])
    except IntegrityError:
        raise InputError(f"a run over '{run.dictionary}' names a feature twice") from None
    for some in chunks([feature for feature in run.features if feature.given]):
        rows = [row for feature in some for row in _given(run_id, feature)]
        connection.execute(sa.insert(CANDIDATES), rows)
    standing = [feature.standing for feature in run.features if feature.standing is not None]
    origins = {origin: get(connection, origin) for origin in {label.run_id for label in standing}}
    for label_run, record in origins.items():
        for part in chunks([label.index for label in standing if label.run_id == label_run]):
            take_over(connection, run_id, record, part)
    return run_id


def find(connection: Connection, prefix: str, dictionary: str | None = None) -> RunRecord:
    """The run with this id or the only one whose id begins so, of one dictionary where one is named.

    InputError where there is none or several; it names those that there are.
    """
    exact = connection.execute(sa.select(RUNS).where(RUNS.c.id == prefix)).first()
    every = sa.select(RUNS) if dictionary is None else sa.select(RUNS).where(RUNS.c.dictionary == dictionary)
    # Not LIKE, which knows wildcards and, on SQLite, no capitals.
    alike = every.where(sa.func.substr(RUNS.c.id, 1, len(prefix)) == prefix)
    matches = [exact] if exact is not None else connection.execute(alike.limit(2)).all() if prefix else []
    if len(matches) > 1:
        raise InputError(f"several runs begin with '{prefix}'; write more of the id (runs: {_ids(connection, alike)})")
    of = "" if dictionary is None else f" of '{dictionary}'"
    if not matches:
        raise InputError(f"there is no run '{prefix}'{of} (runs: {_ids(connection, every)})")
    found = _record(matches[0])
    if dictionary is not None and found.dictionary != clean_text(dictionary):
        raise InputError(f"run '{found.id}' is of '{found.dictionary}', not{of} (runs: {_ids(connection, every)})")
    return found


def _ids(connection: Connection, query: sa.Select[Any]) -> str:
    """The whole ids of some runs, newest first; of many, the first."""
    newest = query.with_only_columns(RUNS.c.id).order_by(RUNS.c.created_at.desc(), RUNS.c.id.desc())
    ids = connection.scalars(newest.limit(NAMED + 1)).all()
    return (", ".join(ids[:NAMED]) + (", …" if len(ids) > NAMED else "")) or "none yet"


def get(connection: Connection, run_id: str) -> RunRecord:
    """The run with exactly this id; InputError where there is none."""
    row = connection.execute(sa.select(RUNS).where(RUNS.c.id == run_id)).first()
    if row is None:
        raise InputError(f"there is no run '{run_id}'")
    return _record(row)


def newest_first(connection: Connection, dictionary: str | None, limit: int | None = None) -> list[RunRecord]:
    """All runs, or those of one dictionary."""
    query = sa.select(RUNS).order_by(RUNS.c.created_at.desc(), RUNS.c.id.desc()).limit(limit)
    if dictionary is not None:
        query = query.where(RUNS.c.dictionary == dictionary)
    return [_record(row) for row in connection.execute(query)]


def cancel(connection: Connection, run_id: str, *, now: float) -> bool:
    """Stops a run: nothing of it is claimed any more. False where it is finished, and stays so."""
    close(connection, run_id, now=now)  # its last worker may have been killed before it could say so
    state = _locked(connection, run_id).state
    if state in ("running", "paused"):
        connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(state="cancelled", reason=None))
    return bool(state != "finished")


def pause(connection: Connection, run_id: str, reason: str) -> None:
    """Stops a running run for a reason that somebody has to see to."""
    if _locked(connection, run_id).state == "running":
        connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(state="paused", reason=reason))


def resume(connection: Connection, run_id: str, *, break_leases: bool, budget: float | None, now: float) -> None:
    """Lets a stopped run run again, and frees the leases that have run out, or all of them."""
    if _locked(connection, run_id).state in ("cancelled", "paused"):
        connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(state="running", reason=None))
    if budget is not None:
        connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(budget_usd=budget))
    leased = sa.update(FEATURES).where(
        FEATURES.c.run_id == run_id, is_open(FEATURES), FEATURES.c.lease_token.is_not(None)
    )
    batches = sa.update(BATCHES).where(BATCHES.c.run_id == run_id, BATCHES.c.lease_token.is_not(None))
    if not break_leases:
        leased = leased.where(FEATURES.c.lease_until <= now)
        batches = batches.where(BATCHES.c.lease_until <= now)
    connection.execute(leased.values(**FREE))
    connection.execute(batches.values(**FREE))


def retry(connection: Connection, run_id: str, kinds: Collection[str] | None) -> int:
    """Makes the failed features of a run claimable again, and the run run again; how many those are.

    With ``kinds``, of those kinds of failures alone.
    """
    dictionary = _locked(connection, run_id).dictionary
    failed = [FEATURES.c.run_id == run_id, FEATURES.c.stage == "done", FEATURES.c.state == "failed"]
    if kinds is not None:
        failed.append(FEATURES.c.failure.in_(sorted(kinds)))
    anew = {"stage": "label", "state": None, "reason": None, "failure": None, "chosen": None, "finished_at": None}
    changed = connection.scalars(
        sa.update(FEATURES)
        .where(*failed)
        .values(**FREE, **anew, begun=False, not_before=0.0, attempts=0)
        .returning(FEATURES.c.index)
    ).all()
    if changed:
        answers.forget_useless(connection, dictionary, changed)
        connection.execute(
            sa.update(RUNS).where(RUNS.c.id == run_id).values(state="running", reason=None, finished_at=None)
        )
    return len(changed)


def close(connection: Connection, run_id: str, *, now: float) -> None:
    """Marks a run as finished where every feature of it is done, also one that was stopped just before the last."""
    # The lock comes before the look: a retry that reopens features holds it too.
    if _locked(connection, run_id).state != "finished" and not has_open(connection, run_id):
        nulls = _pooled_nulls(connection, get(connection, run_id))
        done = {"state": "finished", "reason": None, "finished_at": now, "nulls": nulls}
        connection.execute(sa.update(RUNS).where(RUNS.c.id == run_id).values(**done))


def _pooled_nulls(connection: Connection, run: RunRecord) -> dict[str, list[float | None]]:
    """What foreign labels scored on the features of the run's null sample, by score key; of its own scores only."""
    pooled: dict[str, list[float | None]] = {}
    for some in chunks(run.config.get("null_sample", [])):
        query = sa.select(SCORES.c.key, SCORES.c.details).where(SCORES.c.run_id == run.id, SCORES.c.index.in_(some))
        for key, details in connection.execute(query.order_by(SCORES.c.index, SCORES.c.key)):
            if CARRIED not in details:
                pooled.setdefault(key, []).extend(details.get("null", []))
    return {key: values for key, values in pooled.items() if values}


def _locked(connection: Connection, run_id: str) -> Row[Any]:
    """The run's row, held against other changes until the transaction ends; InputError where there is none."""
    row = connection.execute(sa.select(RUNS).where(RUNS.c.id == run_id).with_for_update(key_share=True)).first()
    if row is None:
        raise InputError(f"there is no run '{run_id}'")
    return row


def _record(row: Row[Any]) -> RunRecord:
    return RunRecord(**row._mapping)


def _feature(run_id: str, feature: NewFeature, now: float) -> dict[str, Any]:
    born_done = feature.state is not None
    return {
        "run_id": run_id,
        "index": int(feature.index),
        "stage": "done" if born_done else "label",
        "state": feature.state,
        "reason": feature.reason,
        "not_before": 0.0,
        "attempts": 0,
        "statistics": dict(feature.statistics),
        "near_duplicates": list(feature.near_duplicates),
        "headline": feature.headline,
        "finished_at": now if born_done else None,
    }


def _given(run_id: str, feature: NewFeature) -> list[dict[str, Any]]:
    return [
        {"run_id": run_id, "index": int(feature.index), "position": position, **vars(candidate)}
        for position, candidate in enumerate(feature.given)
    ]
