"""How far a run is, and what it has cost: plain SQL, which SQLite and PostgreSQL read alike.

It is run over SQLAlchemy's connections and, where a command only looks, over a driver's own (``glance``): importing
SQLAlchemy takes longer than the look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from labeler.catalogue.records import OPEN, UNKNOWN, Progress

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

Query = Callable[[str, Sequence[Any]], Sequence[Sequence[Any]]]
"""The rows of a statement that has ``?`` for each of its parameters."""

MARKS = {"sqlite": "?", "postgresql": "%s"}
"""What each database's driver writes for a parameter."""

_KNOWN = f"outcome NOT IN ('{OPEN}', '{UNKNOWN}')"
_TOKENS = ("input_tokens", "cached_tokens", "output_tokens")


def query_of(connection: Connection) -> Query:
    """Statements over a connection of SQLAlchemy's."""
    mark = MARKS[connection.dialect.name]

    def query(statement: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return connection.exec_driver_sql(statement.replace("?", mark), tuple(parameters)).all()

    return query


def progress(query: Query, run_id: str) -> Progress:
    """Counts, tokens and money of one run."""
    by_state: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    by_stage: Counter[tuple[str, bool]] = Counter()
    parked = 0
    held: list[float | None] = []
    for stage, state, failure, waits, leased, n, *until in query(
        "SELECT stage, state, failure, parked, lease_token IS NOT NULL, count(*), max(lease_until), max(not_before) "
        "FROM run_features WHERE run_id = ? GROUP BY stage, state, failure, parked, lease_token IS NOT NULL",
        [run_id],
    ):
        by_stage[stage, bool(leased)] += n
        parked += n if waits and stage == "label" else 0
        held += until if stage != "done" else []
        if state is not None:
            by_state[state] += n
        if failure is not None:
            failures[failure] += n
    ((first, last),) = query(
        "SELECT min(finished_at), max(finished_at) FROM run_features WHERE run_id = ? AND state NOT IN ('dead', 'skipped')",
        [run_id],
    )
    tokens = ", ".join(f"coalesce(sum({name}) FILTER (WHERE {_KNOWN}), 0)" for name in _TOKENS)
    ((usd, calls, unpriced, unknown, unknown_usd, *counted),) = query(
        f"SELECT coalesce(sum(usd) FILTER (WHERE {_KNOWN}), 0.0), count(*) FILTER (WHERE {_KNOWN}), "  # noqa: S608
        f"count(*) FILTER (WHERE {_KNOWN} AND usd IS NULL), count(*) FILTER (WHERE NOT {_KNOWN}), "
        f"coalesce(sum(usd) FILTER (WHERE NOT {_KNOWN}), 0.0), {tokens} FROM calls WHERE run_id = ?",
        [run_id],
    )
    (batches,) = query(
        "SELECT max(lease_until), max(not_before) FROM batches WHERE run_id = ? AND state <> 'done'", [run_id]
    )
    held += batches
    ((pending,),) = query("SELECT count(*) FROM requests WHERE run_id = ?", [run_id])
    read, cached, written = map(int, counted)
    return Progress(
        total=by_stage.total(),
        by_state=dict(by_state),
        waiting=by_stage["label", False] - parked,
        leased=by_stage["label", True],
        parked=parked,
        in_control=by_stage["control", False] + by_stage["control", True],
        done=by_stage["done", False],
        failed=by_state["failed"],
        failures=dict(sorted(failures.items(), key=lambda one: (-one[1], one[0]))),
        usd=float(usd),
        calls=calls,
        input_tokens=read,
        cached_tokens=cached,
        output_tokens=written,
        unpriced_calls=unpriced,
        unknown_calls=unknown,
        unknown_usd=float(unknown_usd),
        pending=pending,
        first_finished_at=first,
        last_finished_at=last,
        held_until=max((float(at) for at in held if at), default=None),
    )


def batch_counts(query: Query, run_id: str) -> dict[str, int]:
    """A run's batches by their state."""
    found = query("SELECT state, count(*) FROM batches WHERE run_id = ? GROUP BY state", [run_id])
    return {state: n for state, n in found}  # noqa: C416 - rows are no pairs to mypy
