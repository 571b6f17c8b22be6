"""The schema in both databases."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from labeler.catalogue import Catalogue
from labeler.catalogue.engine import open_engine
from labeler.catalogue.migrations import upgrade
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
