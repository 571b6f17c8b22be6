"""A look at runs over the driver alone: the same as the catalogue says, and nothing where it cannot be told."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from labeler.catalogue import Catalogue
from labeler.catalogue.glance import glance
from labeler.catalogue.migrations import HEAD, versions
from labeler.catalogue.records import CallRecord, NewFeature, Settlement
from labeler.llm.protocol import OPEN, UNKNOWN, Usage
from labeler.settings import Settings
from tests.integration.catalogue.building import Clock, failed, labelled, new_run


def seen(catalogue_url: str):
    return glance(Settings(_env_file=None, LABELER_DATABASE_URL=catalogue_url).database)


def test_it_says_of_every_run_what_the_catalogue_says(catalogue: Catalogue, catalogue_url: str, clock: Clock):
    first = catalogue.create_run(new_run(5, note="a%b?c"))
    clock.now += 10
    second = catalogue.create_run(new_run(1, dictionary="other"))
    claims = catalogue.claim(3, 30.0, clock.now, [first])
    catalogue.finish_label(claims[0], labelled())
    catalogue.finish_label(claims[1], failed())
    calls = [
        CallRecord(run_id=first, index=2, stage="label", backend="b:m", outcome=OPEN, usd=usd)
        for usd in (0.5, 1.5, 2.0)
    ]
    catalogue.reserve(calls)
    took = Usage(input_tokens=7, cached_tokens=2, output_tokens=3, usd=0.25)
    catalogue.settle([Settlement(call=calls[0].id, outcome="answered", usage=took)])
    catalogue.settle([Settlement(call=calls[1].id, outcome=UNKNOWN, usage=Usage(usd=1.5))])
    found = seen(catalogue_url)
    assert found is not None
    assert [each.record.id for each in found] == [second, first]
    for each in found:
        assert each.record == catalogue.run(each.record.id)
        assert each.progress == catalogue.progress(each.record.id)
        assert each.batches == catalogue.batch_counts(each.record.id)
    told = found[1].progress
    assert told.by_state == {"labelled": 1, "failed": 1}
    assert (told.usd, told.calls, told.input_tokens, told.unknown_calls) == (0.25, 1, 7, 2)


def test_a_database_of_another_version_is_left_to_the_catalogue(catalogue: Catalogue, catalogue_url: str):
    with catalogue._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
    assert seen(catalogue_url) is None


def test_where_nothing_is_nothing_is_made(tmp_path: Path):
    path = tmp_path / "labeler.db"
    assert glance(f"sqlite:///{path}") is None
    assert not path.exists()


def test_what_is_no_catalogue_is_left_to_it(tmp_path: Path):
    (tmp_path / "junk.db").write_text("no database")
    sqlite3.connect(tmp_path / "empty.db").close()
    for url in (
        f"sqlite:///{tmp_path}/junk.db",
        f"sqlite:///{tmp_path}/empty.db",
        "mysql://localhost/x",
        "postgresql+psycopg://nobody:secret@127.0.0.1:1/none",
    ):
        assert glance(url) is None


def test_the_newest_revision_is_the_one_that_is_named():
    names = sorted(path.stem.split("_")[0] for path in Path(versions.__file__).parent.glob("0*.py"))
    assert names[-1] == HEAD


def test_features_that_were_born_done_count(catalogue: Catalogue, catalogue_url: str):
    run = new_run(1)
    dead = NewFeature(index=9, statistics={}, near_duplicates=(), state="dead", reason="never active")
    run_id = catalogue.create_run(type(run)(**{**vars(run), "features": [*run.features, dead]}))
    (found,) = seen(catalogue_url)
    assert found.progress == catalogue.progress(run_id)
    assert found.progress.by_state == {"dead": 1}
