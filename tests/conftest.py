"""Fixtures that every test may ask for; a server starts with the first test that wants it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy.engine import URL

from tests import servers

os.environ.pop("COLUMNS", None)  # pytest-xdist tells its workers of a terminal of 80, which there is not


@pytest.fixture(autouse=True)
def _settings_of_its_own() -> Iterator[None]:
    """What a test before this one set in the environment is not remembered."""
    yield
    if "labeler.settings" in sys.modules:
        sys.modules["labeler.settings"].settings.cache_clear()


@pytest.fixture(scope="session")
def _postgres_server() -> Iterator[URL]:
    with servers.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def _redis_server() -> Iterator[str]:
    with servers.redis_server() as url:
        yield url


@pytest.fixture
def postgres_url(_postgres_server: URL) -> Iterator[str]:
    """A fresh PostgreSQL database."""
    with servers.postgres_schema(_postgres_server) as url:
        yield url


@pytest.fixture
def redis_url(_redis_server: str) -> str:
    """An empty Redis database."""
    with redis.Redis.from_url(_redis_server) as client:
        client.flushdb()
    return _redis_server


@pytest.fixture(params=["sqlite", "postgres"])
def catalogue_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database for a catalogue: the test runs once on each of the two."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalogue.db'}"
    return request.getfixturevalue("postgres_url")
