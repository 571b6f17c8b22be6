"""Opening a database, and what is said where that fails."""

from __future__ import annotations

import sys
import threading
import traceback

import pytest
import sqlalchemy as sa

from labeler.catalogue.database import open_engine, reading
from labeler.errors import InputError, MissingExtraError


def test_sqlite_is_opened_with_its_folder_its_journal_and_its_foreign_keys(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'deep' / 'down' / 'labeler.db'}")

    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 30_000}


def test_no_update_is_lost_between_threads(tmp_path):
    # Given a counter that every thread reads before it writes
    engine = open_engine(f"sqlite:///{tmp_path / 'counter.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE counter (n INTEGER)")
        connection.exec_driver_sql("INSERT INTO counter VALUES (0)")

    def count() -> None:
        for _ in range(25):
            with engine.begin() as connection:
                n = connection.exec_driver_sql("SELECT n FROM counter").scalar_one()
                connection.execute(sa.text("UPDATE counter SET n = :n"), {"n": n + 1})

    # When four count at once
    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # Then none has overwritten another
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT n FROM counter").scalar_one() == 100


def test_a_reader_does_not_wait_for_a_writer(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'labeler.db'}")

    with engine.begin() as writer:
        writer.exec_driver_sql("CREATE TABLE t (n INTEGER)")
        with reading(engine).connect() as reader:
            assert reader.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one() == 0


@pytest.mark.parametrize(
    "url",
    [
        "secret",
        "",
        "postgresql://user:secret@host:port/name",
        "mysql://user:secret@host/name",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://user:secret@127.0.0.1:1/name",
        "postgresql://127.0.0.1:1/name?user=someone&password=secret",
        "postgresql://user:secret@127.0.0.1:1/name?nonsense=secret",
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line_without_the_password(url):
    with pytest.raises(InputError) as caught:
        open_engine(url)

    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value)).replace(f'"{url}"', "")
    assert "secret@" not in shown
    assert "password=secret" not in shown


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "labeler.db"
    path.write_text("no database, and longer than a header of one hundred bytes" * 9)

    with pytest.raises(InputError, match="not a database"):
        open_engine(f"sqlite:///{path}")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match="cannot be opened"):
        open_engine(f"sqlite:///{tmp_path / 'file' / 'labeler.db'}")


def test_a_missing_driver_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(MissingExtraError, match=r"pip install '\.\[postgres\]'"):
        open_engine("postgresql://user:secret@127.0.0.1:1/name")
