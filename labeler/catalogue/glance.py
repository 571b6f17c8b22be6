"""A look at all runs that only reads, over the database's driver alone: SQLAlchemy's import would take most of a second."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labeler.catalogue.migrations import HEAD
from labeler.catalogue.progress import MARKS, Query, batch_counts, progress
from labeler.catalogue.records import Progress, RunRecord

_SQLITE = "sqlite:///"
_POSTGRESQL = "postgresql+psycopg://"


@dataclass(frozen=True)
class Glance:
    """A run as it stands."""

    record: RunRecord
    progress: Progress
    batches: dict[str, int]


def glance(place: str | Path) -> list[Glance] | None:
    """All runs of a database (its URL, or SQLite's file), newest first, each read in one snapshot.

    None where it cannot be told like this: the database is not there, cannot be reached, or has another version's schema.
    Then it takes the catalogue itself, which mends that or says what is wrong.
    """
    try:
        with _opened(place) as query:
            if [tuple(row) for row in query("SELECT version_num FROM alembic_version", [])] != [(HEAD,)]:
                return None
            names = [field.name for field in dataclasses.fields(RunRecord)]
            rows = query(f"SELECT {', '.join(names)} FROM runs ORDER BY created_at DESC, id DESC", [])  # noqa: S608
            records = [RunRecord(**dict(zip(names, map(_value, names, row), strict=True))) for row in rows]
            return [Glance(one, progress(query, one.id), batch_counts(query, one.id)) for one in records]
    except (_UnknownError, sqlite3.Error):
        return None


class _UnknownError(Exception):
    """What cannot be read here."""


@contextmanager
def _opened(place: str | Path) -> Iterator[Query]:
    path, url = (place, "") if isinstance(place, Path) else (None, place)
    if url.startswith(_SQLITE) and "?" not in url:
        path = Path(url.removeprefix(_SQLITE))
    if path is not None:
        if not path.exists():  # to connect would make it
            raise _UnknownError
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            yield lambda statement, parameters: connection.execute(statement, tuple(parameters)).fetchall()
        return
    if not url.startswith(_POSTGRESQL):
        raise _UnknownError
    try:
        import psycopg
    except ImportError:
        raise _UnknownError from None
    try:
        server = url.replace(_POSTGRESQL, "postgresql://", 1)
        with psycopg.connect(server, connect_timeout=10, prepare_threshold=None) as connected:
            connected.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connected.read_only = True

            def query(statement: str, parameters: Sequence[Any]) -> Sequence[Sequence[Any]]:
                text: Any = statement.replace("?", MARKS["postgresql"])
                return connected.execute(text, tuple(parameters)).fetchall()

            yield query
    except psycopg.Error:  # its message may quote the password
        raise _UnknownError from None


def _value(name: str, value: Any) -> Any:
    return json.loads(value) if name in ("config", "nulls") and isinstance(value, str) else value
