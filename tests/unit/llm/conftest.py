import pytest

from tests.fakes import environment


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    environment.clean(monkeypatch)
