"""Bringing a database to the schema of this version; Alembic, run from the package's own files."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from labeler.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

HEAD = "0006"
"""The newest revision. A database that has it needs no Alembic, whose import takes longer than most commands' work."""

_ADVISORY_LOCK = 0x6C6162656C6572
"""Any number, as long as every version of this package takes the same one."""

# Alembic's own context is a module's global.
_one_at_a_time = threading.Lock()


def upgrade(engine: Engine) -> None:
    """Brings the database to the newest schema; safe where several processes start on an empty one.

    Raises InputError where the database was made by a newer version than this.
    """
    if _is_new(engine):
        return
    import sqlalchemy as sa
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    # The configuration's parser reads a lone % as the start of a reference.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with _one_at_a_time, engine.begin() as connection:
        # On SQLite the transaction itself is the lock: it begins with BEGIN IMMEDIATE (see ``engine``).
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise InputError(f"the catalogue's schema is not one of this version's: {error}") from error


def _is_new(engine: Engine) -> bool:
    from sqlalchemy.exc import DBAPIError

    try:
        with engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").all()
    except DBAPIError:  # an empty database has no such table
        return False
    return [tuple(row) for row in found] == [(HEAD,)]
