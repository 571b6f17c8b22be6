"""However a stretch of work ends, nothing is told of that nobody can do anything about."""

import asyncio
import gc

import pytest

from eval.provider import Knobs, Provider
from labeler.catalogue.repository import Catalogue
from labeler.pipeline.worker_loop import Drain
from tests.fakes.environment import clean
from tests.fakes.priced import PricedHome

pytestmark = [
    pytest.mark.filterwarnings("error::RuntimeWarning"),
    pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning"),
]

N = 6


@pytest.fixture(scope="module")
def provider():
    with Provider(Knobs(latency=0.05)) as provider:
        yield provider


@pytest.fixture
def home(tmp_path, monkeypatch, provider):
    clean(monkeypatch)
    monkeypatch.setattr("labeler.simulators.sparse.CONTEXTS_A_CALL", 5)  # many calls at once for each feature
    provider.reset()
    return PricedHome(tmp_path / "home", f"sqlite:///{tmp_path / 'catalogue.db'}", provider, N)


def drain(home, until):
    catalogue = Catalogue(home.settings.database)
    asyncio.run(Drain(catalogue, home.settings).run(until))
    catalogue.close()
    gc.collect()


def after(provider, calls):
    return lambda: provider.totals().calls >= calls


@pytest.mark.parametrize("calls", [1, 4, 8, 14, 22])
def test_stopped_at_any_moment(home, provider, calls):
    run = home.label(foreign=1)
    drain(home, after(provider, calls))
    assert run.progress().leased == 0
    drain(home, lambda: False)
    assert run.record.state == "finished"


@pytest.mark.parametrize("calls", [1, 8, 22])
def test_cancelled_at_any_moment(home, provider, calls):
    run = home.label(foreign=1)
    reached = after(provider, calls)

    def until():
        if reached():
            run.cancel()
        return False

    drain(home, until)
    assert run.record.state in ("cancelled", "finished")
    assert run.progress().leased == 0


@pytest.mark.parametrize("budget", [0.001, 0.02, 0.03])
def test_out_of_money_at_any_moment(home, provider, budget):
    run = home.label(foreign=1, budget=budget)
    drain(home, lambda: False)
    assert run.record.state == "paused"
    assert provider.totals().usd <= budget


def test_out_of_money_between_two_halves(tmp_path, monkeypatch, provider):
    clean(monkeypatch)
    provider.reset()
    home = PricedHome(tmp_path / "home", f"sqlite:///{tmp_path / 'catalogue.db'}", provider, N, contexts=120)
    run = home.label(foreign=1, budget=0.02)
    drain(home, lambda: False)
    assert run.record.state == "paused"


def test_failed_in_the_middle(home, provider, monkeypatch):
    """One of several calls at once is refused: the others are ended."""
    with Provider(Knobs(refusal=0.5, latency=0.01)) as other:
        there = PricedHome(home.settings.home, home.settings.database, other, N)
        run = there.label()
        drain(there, lambda: False)
    assert run.record.state == "finished"
