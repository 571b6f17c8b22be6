"""Opening the database, SQLite in a file or PostgreSQL; column types that keep out what one of them refuses."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Dialect, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.types import TypeDecorator

from labeler.errors import InputError, MissingExtraError

_ESCAPED = "json:"


def clean_text(text: str) -> str:
    """The text without NUL (PostgreSQL refuses it) and with U+FFFD for lone surrogates (UTF-8 has none)."""
    text = text.replace("\0", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        # By way of UTF-16, in which two halves that belong together become one character again.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def clean_number(number: float | None) -> float | None:
    """The number as a plain float; None for NaN and infinity, which are no numbers in JSON."""
    return float(number) if number is not None and math.isfinite(number) else None


def clean_json(value: Any) -> Any:
    """The value as JSON has it: NaN and infinity are null, texts are clean, keys are strings, numpy is gone."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, np.ndarray | np.generic):
        return clean_json(value.tolist())
    if isinstance(value, float):
        return clean_number(value)
    if isinstance(value, Mapping):
        return {clean_text(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    return value


class CleanText(TypeDecorator[str]):
    """Text without NUL and half characters."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """See ``clean_text``."""
        return None if value is None else clean_text(value)


class WholeText(TypeDecorator[str]):
    """Text that comes out as it went in: what no database takes is escaped as in JSON."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Text that needs no escape stands as it is; what does, or begins with the mark of one, is marked."""
        if value is None or (clean_text(value) == value and not value.startswith(_ESCAPED)):
            return value
        return _ESCAPED + json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        """The text again."""
        if value is None or not value.startswith(_ESCAPED):
            return value
        return str(json.loads(value.removeprefix(_ESCAPED)))


class CleanFloat(TypeDecorator[float]):
    """A finite number or nothing."""

    impl = sa.Float
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        """See ``clean_number``."""
        return clean_number(value)


class CleanJSON(TypeDecorator[Any]):
    """JSON that every reader takes; None is SQL's null."""

    impl = sa.JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """See ``clean_json``."""
        return clean_json(value)


BUSY_SECONDS = 30
"""How long a writer waits for another one (SQLite)."""
CONNECT_SECONDS = 10
"""How long a server may take to answer (PostgreSQL)."""


def open_engine(place: str | Path) -> Engine:
    """An engine of a database, by its URL or by SQLite's file, that has answered once.

    SQLite's parent folder is created. Raises InputError, in one line and without the password, where the URL is
    malformed or the database cannot be reached, and MissingExtraError where PostgreSQL's driver is not installed.
    """
    # Not as text: a file's name may hold what ends a path in a URL.
    parsed = URL.create("sqlite", database=str(place)) if isinstance(place, Path) else _parse(place)
    backend = parsed.get_backend_name()
    engine = _open_sqlite(parsed) if backend == "sqlite" else _open_postgres(parsed)
    try:
        with engine.connect() as connection:
            if backend == "sqlite":
                _use_wal(connection)
    except (DBAPIError, sqlite3.Error, OSError) as error:
        engine.dispose()
        # Without its cause: the driver's own message may quote the connection string.
        raise InputError(f"the database {_shown(parsed)} cannot be opened: {_line(error, parsed)}") from None
    return engine


def reading(engine: Engine) -> Engine:
    """The same engine for transactions that only read: one snapshot each, and no waiting for writers."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(only_reads=True)
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The URL stays out of the message and of the traceback: it may hold a password.
        raise InputError(
            "the database's URL is malformed; write sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise InputError(f"'{parsed.drivername}' is not a database that is known here; use sqlite or postgresql")
    return parsed


def _open_sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise InputError("a SQLite catalogue needs a file that all its connections share: sqlite:///PATH")
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the database {_shown(url)} cannot be opened: {error.strerror}") from error
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # The driver begins nothing by itself: it would begin too late, after the reads that an update rests on.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        connection.execute("PRAGMA foreign_keys = ON")
        # With a write-ahead log a killed process loses nothing; only a power cut may take the last commits.
        connection.execute("PRAGMA synchronous = NORMAL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes the lock before it reads: otherwise two of them read the same state and one update is lost.
        only_reads = connection.get_execution_options().get("only_reads", False)
        connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")

    return engine


def _open_postgres(url: URL) -> Engine:
    connect_args = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_SECONDS}
    try:
        return sa.create_engine(url, connect_args=connect_args, hide_parameters=True, pool_pre_ping=True)
    except ImportError as error:
        raise MissingExtraError("a catalogue in PostgreSQL", "postgres") from error


def _use_wal(connection: Connection) -> None:
    """Readers no longer wait for the writer; the file remembers it."""
    # The journal's mode cannot change inside a transaction, hence the driver's own connection.
    raw: Any = connection.connection.driver_connection
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            raw.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # Of several processes that switch a new file at once, some are refused without SQLite's usual waiting.
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _shown(url: URL) -> str:
    """What may be printed of a URL: no user's password, nothing of its query."""
    if url.get_backend_name() == "sqlite":
        return f"'{url.database}'"
    port = f":{url.port}" if url.port else ""
    return f"'{url.database or ''}' at {url.host or url.query.get('host') or 'the local socket'}{port}"


def _line(error: Exception, url: URL) -> str:
    """The first line of what the driver says, the password taken out."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    line = next(iter(str(cause).strip().splitlines()), type(cause).__name__)
    secrets = [url.password, url.query.get("password")]
    for secret in secrets:
        if isinstance(secret, str) and secret:
            line = line.replace(secret, "***")
    return line
