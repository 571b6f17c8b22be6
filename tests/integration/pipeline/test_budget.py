"""A run whose budget is too small: what it spends goes into features that it finishes."""

import pytest
import sqlalchemy as sa

from eval.provider import Provider
from labeler.catalogue.database import open_engine
from labeler.catalogue.tables import CALLS
from tests.fakes.environment import clean
from tests.fakes.priced import PricedHome

pytestmark = [
    pytest.mark.filterwarnings("error::RuntimeWarning"),
    pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning"),
]

N = 14
"""Features."""


@pytest.fixture(scope="module")
def provider():
    with Provider() as provider:
        yield provider


@pytest.fixture
def home(tmp_path, monkeypatch, catalogue_url, provider):
    clean(monkeypatch)
    provider.reset()
    for name in ("SOONEST", "AGAIN_SECONDS"):
        monkeypatch.setattr(f"labeler.pipeline.batch_submission.{name}", 0.05)
    return PricedHome(tmp_path / "home", catalogue_url, provider, N)


@pytest.fixture(scope="module")
def whole_usd(tmp_path_factory, provider):
    """What it takes to label all features, the null left out."""
    folder = tmp_path_factory.mktemp("whole")
    home = PricedHome(folder, f"sqlite:///{folder / 'catalogue.db'}", provider, N)
    run = home.label(foreign=0)
    home.work(run)
    usd = run.progress().usd
    provider.reset()
    return usd


def spent(run):
    """What went into features with a score, and what into others."""
    finished = sum(row["cost"]["usd"] for row in run.rows() if row["scores"])
    return finished, run.progress().usd - finished


@pytest.mark.parametrize(("mode", "workers"), [("direct", 1), ("direct", 3), ("batch", 1)])
def test_half_the_money_goes_into_features_that_are_finished(home, whole_usd, provider, mode, workers):
    price = 0.5 if mode == "batch" else 1.0
    budget = whole_usd * price / 2
    run = home.label(foreign=0, budget=budget, mode=mode)
    home.work(run, workers)
    progress = run.progress()
    assert run.record.state == "paused"
    assert provider.totals().usd <= budget
    assert run.record.committed_usd <= budget + 1e-9
    finished, begun = spent(run)
    n = progress.by_state.get("labelled", 0)
    assert progress.by_state.keys() <= {"labelled"}
    assert n >= 4
    assert begun <= 0.05 * (begun + finished)

    run.resume(budget=10 * whole_usd)
    home.work(run, workers)
    assert (run.record.state, run.progress().by_state) == ("finished", {"labelled": N})
    assert all(row["scores"] for row in run.rows())
    assert provider.totals().rebought == provider.totals().repeats == 0
    assert provider.totals().usd == pytest.approx(run.progress().usd)


def test_a_null_that_is_too_dear_is_whole_on_the_features_that_have_one(home, whole_usd, provider):
    run = home.label(foreign=2, budget=1.6 * whole_usd)
    home.work(run)
    assert (run.record.state, run.progress().by_state) == ("paused", {"labelled": N})
    scores = {index: {one.key: one.details for one in run.scores(index)} for index in range(N)}
    tried = {index for index, found in scores.items() if "null" in found["simulation.sparse"]}
    with open_engine(home.settings.database).connect() as connection:
        in_control = sa.select(CALLS.c.index).where(CALLS.c.run_id == run.id, CALLS.c.stage == "control")
        assert set(connection.scalars(in_control)) == tried
    assert 0 < len(tried) < N

    run.resume(budget=10 * whole_usd)
    home.work(run)
    assert run.record.state == "finished"
    assert provider.totals().rebought == provider.totals().repeats == 0


def test_only_what_the_budget_can_finish_is_begun(home, whole_usd):
    some = home.label(foreign=0, budget=whole_usd)
    assert 1 < len(home.claims(some)) < N
    assert home.claims(some) == [], "what is begun counts"
    assert len(home.claims(home.label(foreign=0, budget=100 * whole_usd))) == N
    assert len(home.claims(home.label(foreign=0))) == N


def test_features_of_few_documents_take_more_and_are_finished_all_the_same(tmp_path, monkeypatch, provider):
    """By halves, a feature is explained three times and simulated twice."""
    clean(monkeypatch)
    provider.reset()
    home = PricedHome(tmp_path / "home", f"sqlite:///{tmp_path / 'catalogue.db'}", provider, N, contexts=120)
    assert all(home.dictionary.store.halves(index) for index in range(N))
    (plan,) = home.dictionary.plan(**home.asked, foreign=0)
    budget = plan.usd.mid / 2
    run = home.label(foreign=0, budget=budget)
    home.work(run, workers=2)
    assert run.record.state == "paused"
    assert provider.totals().usd <= budget
    finished, begun = spent(run)
    assert run.progress().by_state["labelled"] >= 2
    assert begun <= 0.05 * (begun + finished)
    run.resume(budget=10 * plan.usd.high)
    home.work(run)
    assert run.record.state == "finished"
    assert provider.totals().rebought == 0
