"""The schema in both databases."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from labeler.catalogue import Catalogue, migrations
from labeler.catalogue.database import open_engine
from labeler.catalogue.migrations import upgrade
from labeler.catalogue.records import OPEN, CallRecord, LabelOutcome
from labeler.catalogue.tables import Base
from tests.integration.catalogue.building import new_run
from tests.integration.catalogue.processes import Processes, open_catalogue


def test_the_migrated_schema_is_that_of_the_tables(catalogue_url: str):
    engine = open_engine(catalogue_url)
    upgrade(engine)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_several_processes_may_start_on_an_empty_database(catalogue_url: str, processes: Processes):
    assert processes.together(open_catalogue, catalogue_url) == ["opened"] * processes.n

    catalogue = Catalogue(catalogue_url)
    assert catalogue.create_run(new_run(1))
    catalogue.close()


def test_money_and_questions_can_be_taken_back_and_put_in_again(catalogue_url: str):
    """The version before knows no paused run and no open call; taken up again, what a call may cost is committed."""
    catalogue = Catalogue(catalogue_url)
    run_id = catalogue.create_run(new_run(1))
    call = CallRecord(run_id=run_id, index=0, stage="label", backend="b:m", outcome=OPEN, usd=0.25)
    assert catalogue.reserve([call]) == set()
    catalogue.pause(run_id, "somebody has to look")
    catalogue.close()
    engine = open_engine(catalogue_url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))

    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
    with engine.connect() as connection:
        assert "committed_usd" not in {column["name"] for column in sa.inspect(connection).get_columns("runs")}
        assert connection.scalar(sa.text("SELECT state FROM runs")) == "cancelled"
        assert connection.scalar(sa.text("SELECT outcome FROM calls")) == "unknown"
    engine.dispose()

    catalogue = Catalogue(catalogue_url)
    assert catalogue.run(run_id).committed_usd == 0.25
    assert catalogue.progress(run_id).unknown_usd == 0.25
    catalogue.close()


def test_of_what_failed_before_kinds_were_counted_nobody_knows_the_kind(catalogue_url: str):
    catalogue = Catalogue(catalogue_url)
    run_id = catalogue.create_run(new_run(2))
    one, two = catalogue.claim(2, 60.0, 0.0)
    catalogue.finish_label(one, LabelOutcome(state="failed", reason="it declined", failure="refusal"))
    catalogue.finish_label(two, LabelOutcome(state="unclear"))
    assert catalogue.progress(run_id).failures == {"refusal": 1}
    catalogue.close()
    engine = open_engine(catalogue_url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
    engine.dispose()

    catalogue = Catalogue(catalogue_url)
    assert catalogue.progress(run_id).failures == {"other": 1}
    assert catalogue.retry(run_id, ["other"]) == 1
    catalogue.close()
