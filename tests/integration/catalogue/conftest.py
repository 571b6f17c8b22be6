"""A catalogue on each of the two databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from labeler.catalogue import Catalogue
from tests.integration.catalogue.building import Clock
from tests.integration.catalogue.processes import Processes


@pytest.fixture
def clock() -> Clock:
    """The catalogue's clock."""
    return Clock()


@pytest.fixture
def catalogue(catalogue_url: str, clock: Clock) -> Iterator[Catalogue]:
    """An empty catalogue."""
    catalogue = Catalogue(catalogue_url, clock=clock)
    yield catalogue
    catalogue.close()


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    """Three processes."""
    processes = Processes(3)
    yield processes
    processes.close()
