"""What the null by paid models costs: planned, capped, and taken as planned."""

import json
import re

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from eval.provider import Provider
from labeler.amounts import usd
from labeler.catalogue.database import open_engine
from labeler.catalogue.tables import CALLS
from labeler.cli import display
from labeler.cli.app import app
from labeler.pipeline.config import paid_null
from labeler.pipeline.plan import Span
from tests.fakes.environment import clean
from tests.fakes.priced import PricedHome


@pytest.fixture(scope="module")
def provider():
    with Provider() as provider:
        yield provider


@pytest.fixture
def home_of(tmp_path, monkeypatch, provider):
    clean(monkeypatch)
    provider.reset()
    return lambda n: PricedHome(tmp_path / "home", f"sqlite:///{tmp_path / 'catalogue.db'}", provider, n)


def spent_on(home, run, stage):
    with open_engine(home.settings.database).connect() as connection:
        query = sa.select(sa.func.sum(CALLS.c.usd)).where(CALLS.c.run_id == run.id, CALLS.c.stage == stage)
        return connection.scalar(query) or 0.0


def test_it_takes_a_fifth_of_a_run_at_most_and_what_the_plan_says(home_of, monkeypatch):
    for module in ("pipeline.config", "catalogue.labels"):
        monkeypatch.setattr(f"labeler.{module}.POOLED", 5)  # as if a percentile could be read off a handful
    n = 24
    home = home_of(n)
    (plan,) = home.dictionary.plan(**home.asked)
    run = home.label()
    home.work(run)
    meant = paid_null(run.indices(), seed=0)
    assert (plan.null.features, plan.null.labels) == (len(meant.features), meant.labels)
    assert run.record.config["paid_null"] == {"features": meant.features, "labels": meant.labels}
    took = spent_on(home, run, "control")
    assert 0 < took <= run.progress().usd / 5
    assert plan.null.usd.low <= took <= plan.null.usd.high
    assert plan.null.usd.mid < plan.usd.mid / 4
    tried = {
        at for at in range(n) for one in run.scores(at) if "null" in one.details and one.key == "simulation.sparse"
    }
    assert tried <= set(meant.features)
    for row in run.rows():
        assert row["scores"]["simulation.sparse"]["null_percentile"] is not None, "read off the run's pool"


def test_a_run_of_twelve_has_a_null_where_it_is_free_and_none_that_is_paid(home_of):
    home = home_of(12)
    run = home.label()
    home.work(run)
    assert spent_on(home, run, "control") == 0
    for row in run.rows():
        assert row["scores"]["simulation.sparse"]["null_percentile"] is None
        assert row["scores"]["simulation.lexical"]["null_percentile"] is not None


def test_whoever_says_how_many_labels_pays_for_them(home_of):
    home = home_of(6)
    run = home.label(foreign=2)
    home.work(run)
    assert spent_on(home, run, "control") > run.progress().usd / 3
    assert all(row["scores"]["simulation.sparse"]["null_percentile"] is not None for row in run.rows())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "no null by paid models: more than a fifth of so small a run; --foreign 1 takes one"),
        (["--foreign", "2"], "the null: 2 labels of other features on each of 6"),
        (["--foreign", "0"], "no null by paid models\n"),
    ],
)
def test_the_plan_tells_the_null_apart(home_of, monkeypatch, given, says):
    home = home_of(6)
    monkeypatch.setenv("LABELER_HOME", str(home.settings.home))
    monkeypatch.setenv("LABELER_PRICES", str(home.settings.prices))
    monkeypatch.setenv("COLUMNS", "140")
    models = ["--explainer", home.model, "--simulator", home.model, "--contexts", "30"]
    done = CliRunner().invoke(app, ["plan", "toy", *models, *given])
    assert done.exit_code == 0, done.output
    assert says in done.output
    assert ("of this the null" in done.output) == (given == ["--foreign", "2"])


@pytest.mark.parametrize("columns", ["", "40", "80", "100", "140"])
def test_the_plan_cuts_nothing_and_says_what_it_rests_on_and_what_a_budget_does(home_of, monkeypatch, columns):
    home = home_of(6)
    monkeypatch.setenv("LABELER_HOME", str(home.settings.home))
    monkeypatch.setenv("LABELER_PRICES", str(home.settings.prices))
    monkeypatch.setattr(display.out, "_width", int(columns or display.ENDLESS))
    models = ["--explainer", home.model, "--simulator", home.model, "--contexts", "30"]

    def planned(*more):
        done = CliRunner().invoke(app, ["plan", "toy", *models, *more])
        assert done.exit_code == 0, done.output
        return done.output

    (found,) = json.loads(planned("--json"))
    told = planned("--budget", "10", "--batch")
    assert "…" not in told
    assert re.search(
        r"this machine takes .* a call takes 3 \[1 10\] s, 64 features .* \(a batch takes 1h \[6min 24h\]\)", told
    )
    assert told.count(home.model) == 4, "two ways of asking, each in the table and beside its budget"
    assert told.count("$10 is enough") == 2
    assert Span(**found["usd"]).shown(usd) in told
    (free,) = json.loads(CliRunner().invoke(app, ["plan", "toy", "--budget", "1", "--json"]).output)
    assert free["finished"] == {"low": 6, "mid": 6, "high": 6}
