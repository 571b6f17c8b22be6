"""The schema's steps, where SQLite is enough to see them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from labeler.catalogue.database import open_engine
from labeler.catalogue.migrations import upgrade
from labeler.catalogue.queue import has_open
from labeler.catalogue.tables import FEATURES, is_open
from labeler.errors import InputError


def test_upgrading_twice_changes_nothing(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'labeler.db'}")
    upgrade(engine)
    with engine.connect() as connection:
        before = connection.exec_driver_sql("SELECT sql FROM sqlite_master ORDER BY name").all()

    upgrade(engine)

    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT sql FROM sqlite_master ORDER BY name").all() == before


def test_a_schema_of_a_newer_version_is_refused(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'labeler.db'}")
    upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(InputError, match="not one of this version's"):
        upgrade(engine)


def test_open_rows_are_found_by_their_partial_index(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'labeler.db'}")
    upgrade(engine)
    query = sa.select(FEATURES.c.index).where(
        FEATURES.c.run_id == "run",
        FEATURES.c.stage == "label",
        FEATURES.c.parked.is_(False),
        is_open(FEATURES),
    )

    with engine.connect() as connection:
        assert not has_open(connection, "run")
        sql = str(query.compile(engine, compile_kwargs={"literal_binds": True}))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql} ORDER BY 1 LIMIT 5").all()
    assert "ix_run_features_open (run_id=? AND stage=? AND parked=?)" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


def test_features_that_were_begun_are_found_by_their_partial_index(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'labeler.db'}")
    upgrade(engine)
    query = sa.select(FEATURES.c.index).where(
        FEATURES.c.run_id == "run", FEATURES.c.stage == "label", FEATURES.c.begun, is_open(FEATURES)
    )

    with engine.connect() as connection:
        sql = str(query.compile(engine, compile_kwargs={"literal_binds": True}))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql} ORDER BY 1 LIMIT 5").all()
    assert "ix_run_features_begun (run_id=? AND stage=?)" in str(plan)
