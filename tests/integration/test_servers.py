"""The servers that tests run against are real, and fresh for each test."""

from __future__ import annotations

import pytest
import redis
import sqlalchemy as sa


@pytest.mark.parametrize("_time", [1, 2])
def test_every_test_gets_an_empty_postgresql_database(postgres_url: str, _time: int):
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        assert "PostgreSQL" in connection.exec_driver_sql("SELECT version()").scalar_one()
        connection.exec_driver_sql("CREATE TABLE only_once (n INTEGER)")
    engine.dispose()


@pytest.mark.parametrize("_time", [1, 2])
def test_every_test_gets_an_empty_redis(redis_url: str, _time: int):
    with redis.Redis.from_url(redis_url) as client:
        assert client.ping()
        assert client.dbsize() == 0
        client.set("key", "value")
