"""What labelling costs: known before, kept to, told afterwards."""

import json

import pytest

from eval.provider import Provider
from tests.fakes.command import run, said
from tests.fakes.evidence import make_store


@pytest.fixture(scope="module")
def provider():
    with Provider() as provider:
        yield provider


@pytest.fixture
def home(tmp_path, provider):
    make_store(tmp_path / ".labeler")
    provider.reset()
    return Priced(tmp_path, provider)


class Priced:
    """A home whose models have prices, though they are on this machine."""

    def __init__(self, folder, provider):
        self.folder = folder
        self.cheap, self.dear = (f"openai:{name}@{provider.url}/v1" for name in ("cheap", "dear"))
        prices = folder / "prices.json"
        own = {self.cheap: {"input": 1.0, "cached": 0.1, "output": 5.0}, self.dear: {"input": 10, "output": 50}}
        prices.write_text(json.dumps(own))
        self.settings = {"LABELER_PRICES": str(prices)}
        self.models = ["--explainer", self.cheap, "--simulator", self.cheap, "--contexts", "20"]

    def said(self, *arguments):
        return said(self.folder, *arguments, **self.settings)

    def run(self, *arguments, **settings):
        return run(self.folder, *arguments, **{**self.settings, **settings})


@pytest.mark.long
def test_a_plan_holds_what_the_run_then_takes(home, provider):
    direct, batch = home.said("plan", "toy", *home.models, "--batch")
    assert (direct["mode"], batch["mode"]) == ("direct", "batch")
    assert provider.totals().calls == 0
    for plan in (direct, batch):
        for name in ("calls", "input_tokens", "output_tokens", "usd", "hours"):
            assert 0 < plan[name]["low"] <= plan[name]["mid"] <= plan[name]["high"]
    assert batch["usd"]["mid"] == pytest.approx(direct["usd"]["mid"] / 2)
    found = home.said("label", "toy", *home.models)
    assert direct["calls"]["low"] <= found["calls"] <= direct["calls"]["high"]
    assert direct["usd"]["low"] <= found["usd"] <= direct["usd"]["high"]
    assert found["usd"] == pytest.approx(provider.totals().usd)
    assert found["usd_a_feature"] == pytest.approx(found["usd"] / 4)
    told = home.run("status", found["run"]).stdout
    assert "a feature" in told
    assert "prompt tokens cached" in told


def test_what_asks_nobody_costs_nothing_and_a_stronger_explainer_comes_on_top(home):
    (free,) = home.said("plan", "toy")
    assert (free["explainer"], free["calls"]["high"], free["usd"]["high"]) == ("lexical", 0, 0)
    (plain,) = home.said("plan", "toy", *home.models)
    (more,) = home.said("plan", "toy", *home.models, "--escalate", home.dear)
    assert more["usd"]["low"] == pytest.approx(plain["usd"]["low"])
    assert more["usd"]["high"] > plain["usd"]["high"]


def test_each_explainer_is_planned_by_itself_and_an_unknown_price_is_named(home):
    other = "openai:nobody-knows@http://192.0.2.1/v1"
    plans = home.said("plan", "toy", "--explainer", home.dear, "--explainer", other, "--simulator", "lexical")
    assert [plan["explainer"] for plan in plans] == [home.dear, other]
    assert plans[1]["usd"] is None
    assert other in home.run("plan", "toy", "--explainer", other).stdout


def test_a_budget_pauses_a_run_and_more_money_lets_it_go_on(home, provider):
    done = home.run("label", "toy", *home.models, "--budget", "0.014")
    assert done.returncode == 1, done.stderr
    assert "paused" in done.stdout
    assert "Warning" not in done.stderr
    assert 0 < provider.totals().usd <= 0.014
    (found,) = home.said("status")
    assert found["state"] == "paused"
    assert found["committed_usd"] <= 0.014
    refused = home.run("resume", found["run"])
    assert refused.returncode == 2
    assert "give a larger --budget" in refused.stderr
    finished = home.said("resume", found["run"], "--budget", "5")
    assert (finished["state"], finished["by_state"]) == ("finished", {"labelled": 4, "dead": 1})
    assert finished["usd"] == pytest.approx(provider.totals().usd)
    assert provider.totals().rebought == 0


@pytest.mark.long
def test_what_was_answered_once_is_not_bought_again_by_another_run(home, provider):
    first = home.said("label", "toy", *home.models)
    bought = provider.totals().calls
    second = home.said("label", "toy", *home.models)
    assert provider.totals().calls == bought
    assert (second["by_state"], second["usd"]) == (first["by_state"], 0)
    home.said("score", "toy", "--simulator", home.cheap, "--contexts", "20")
    assert provider.totals().rebought == 0


def test_the_stronger_explainer_is_asked_where_the_cheap_one_was_not_good_enough(home, provider):
    def asked_of(model):
        return sum(bill.model == model.split(":", 1)[1].split("@")[0] for bill in provider.billed)

    options = ["--explainer", home.cheap, "--simulator", "lexical", "--escalate", home.dear]
    home.said("label", "toy", *options, "--below", "-1")
    assert (asked_of(home.cheap), asked_of(home.dear)) == (4, 0)
    home.said("label", "toy", *options, "--below", "1")
    assert (asked_of(home.cheap), asked_of(home.dear)) == (4, 4)
    rows = home.run("show", "toy", "3", "--json").stdout
    assert home.dear in rows or home.cheap in rows


def test_a_prompt_of_one_s_own_is_used_and_told(home, tmp_path):
    mine = tmp_path / "mine.j2"
    mine.write_text(
        "Name it.\n---\n<evidence>\n{% for context in active %}\n+ {{ context }}\n{% endfor %}\n</evidence>\n"
    )
    shown = home.run("prompt", "toy", "0", "--explainer", home.cheap, "--prompt", str(mine))
    assert "Name it." in shown.stdout
    home.said("label", "toy", "--explainer", home.cheap, "--simulator", "lexical", "--prompt", str(mine))
    own = home.run("show", "toy", "0", "--json").stdout
    (version,) = {word for word in shown.stdout.replace(",", " ").split() if word.startswith("explain@")}
    assert version in own


@pytest.mark.parametrize(
    ("text", "said_of_it"),
    [("{{ nonsense }}", "uses {{ nonsense }}"), ("{% for", "line 1"), ("{{ active[0].x.y }}", "cannot be filled in")],
)
def test_a_broken_prompt_is_refused_before_anything_is_stored(home, tmp_path, text, said_of_it):
    mine = tmp_path / "mine.j2"
    mine.write_text(text)
    done = home.run("label", "toy", *home.models, "--prompt", str(mine))
    assert done.returncode == 2
    assert said_of_it in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert home.said("status") == []


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"LABELER_PRICES": "nowhere.json"}, "nowhere.json"),
        ({"LABELER_PRICES": "broken.json"}, "broken.json"),
        ({"LABELER_LIMITS": "openai:m=fast"}, "LABELER_LIMITS"),
    ],
)
def test_malformed_settings_are_named(home, settings, what):
    (home.folder / "broken.json").write_text('{"openai:m": 3}')
    done = home.run("label", "toy", *home.models, **settings)
    assert done.returncode == 2
    assert what in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_budget_needs_prices_and_an_amount(home):
    unknown = home.run("label", "toy", "--explainer", "openai:nobody-knows@http://192.0.2.1/v1", "--budget", "1")
    assert (unknown.returncode, "LABELER_PRICES" in unknown.stderr) == (2, True)
    assert home.run("label", "toy", *home.models, "--budget", "-1").returncode == 2
