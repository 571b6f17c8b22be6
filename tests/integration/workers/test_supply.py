"""Whole runs on a provider with faults: nothing lost, nothing bought twice, no cent too much, half price in batches."""

import json
import random
import signal
import subprocess

import pytest

from eval.bench import supply
from eval.provider import Knobs, Provider
from tests.fakes.command import run, said, start
from tests.fakes.evidence import WORDS, make_store, on

RULES = tuple(on(word) for word in dict.fromkeys(WORDS))[:6]
"""A feature for some words of the toy language."""


@pytest.mark.long
def test_a_fault_in_every_fifth_call_and_a_killed_worker_lose_nothing(tmp_path, redis_url, postgres_url):
    found = supply.chaos(tmp_path, redis_url, 40, postgres_url)
    assert (found["rows"], found["twice"]) == (40, 0)
    assert sum(found["states"].values()) == 40
    assert found["covered"], found
    # Only what a killed worker had in flight is bought again, and it is listed.
    assert found["rebought"] <= found["unknown_calls"]
    assert found["billed_calls"] > found["recorded_calls"]  # some answers were lost on the way, and are listed


@pytest.mark.long
def test_a_budget_of_half_is_never_overshot_by_four_workers(tmp_path, redis_url, postgres_url):
    found = supply.broke(tmp_path, redis_url, 0.15, 40, postgres_url)
    assert found["state"] == "paused"
    assert 0 < found["billed_usd"] <= 0.15
    assert found["committed_usd"] <= 0.15 + 1e-9
    assert found["covered"], found
    assert found["billed_usd"] > 0.05  # and it is used


class Home:
    """A dictionary, a provider, and the command over and over."""

    def __init__(self, folder, provider, api, model="m"):
        self.folder = folder
        self.provider = provider
        self.model = f"openai:{model}@{provider.url}/v1" if api == "openai" else f"anthropic:{model}@{provider.url}"
        make_store(folder / ".labeler", rules=RULES, n=600)
        prices = folder / "prices.json"
        prices.write_text(json.dumps({self.model: {"input": 1.0, "cached": 0.1, "output": 5.0}}))
        self.settings = {"LABELER_PRICES": str(prices)}

    def arguments(self, *more):
        models = ["--explainer", self.model, "--simulator", self.model, "--simulator", "lexical"]
        return ["label", "toy", *models, "--contexts", "30", *more]

    def label(self, *more):
        done = run(self.folder, *self.arguments(*more), **self.settings)
        assert done.returncode == 0, done.stderr
        return self.rows()

    def label_killed(self, kills, *more):
        """The same, killed again and again after another while, and resumed."""
        rng, arguments = random.Random(kills), self.arguments(*more)
        for _ in range(kills):
            process = start(self.folder, *arguments, **self.settings)
            try:
                process.communicate(timeout=3.0 + 4.0 * rng.random())
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
            runs = said(self.folder, "status", **self.settings)
            arguments = ["resume", runs[0]["run"]] if runs else arguments
        done = run(self.folder, *arguments, **self.settings)
        assert done.returncode == 0, done.stderr
        return self.rows()

    def rows(self):
        assert run(self.folder, "export", "toy", "--out", "rows.jsonl", "--force").returncode == 0
        rows = [json.loads(line) for line in (self.folder / "rows.jsonl").read_text().splitlines()]
        assert [row["index"] for row in rows] == list(range(len(RULES)))
        told = [{key: row[key] for key in row if key not in ("cost", "provenance")} for row in rows]
        return json.loads(json.dumps(told).replace(self.model, "MODEL"))

    def status(self):
        return said(self.folder, "status", **self.settings)[0]


@pytest.mark.long
@pytest.mark.parametrize("api", supply.APIS)
def test_batches_give_the_same_catalogue_at_half_the_price(tmp_path, api):
    with Provider() as provider:
        direct = Home(tmp_path / "direct", provider, api)
        expected = direct.label()
        price = provider.totals().usd
        assert direct.status()["usd"] == pytest.approx(price)
    with Provider(Knobs(batch_seconds=0.5)) as provider:
        batch = Home(tmp_path / "batch", provider, api)
        assert batch.label("--batch") == expected
        totals, status = provider.totals(), batch.status()
    assert totals.usd == totals.batch_usd == pytest.approx(price / 2)
    assert status["usd"] == pytest.approx(price / 2)
    assert (totals.rebought, status["unknown_calls"], status["pending"]) == (0, 0, 0)


@pytest.mark.long
def test_batches_survive_kills_in_every_phase(tmp_path):
    with Provider(Knobs(batch_seconds=1.0)) as provider:
        home = Home(tmp_path, provider, "openai")
        home.label_killed(4, "--batch")
        totals, status = provider.totals(), home.status()
    assert status["by_state"] == {"labelled": len(RULES)}
    assert (totals.rebought, totals.calls) == (0, status["calls"])
    assert status["usd"] == pytest.approx(totals.usd)
    assert set(status["batches"]) == {"done"}


@pytest.mark.long
def test_batches_that_fail_expire_and_come_back_in_part_are_sent_again(tmp_path):
    knobs = Knobs(batch_seconds=0.2, batch_errored=0.2, batch_expired=0.2, batch_fails_first=1)
    with Provider(knobs) as provider:
        home = Home(tmp_path, provider, "anthropic")
        run(home.folder, *home.arguments("--batch"), **home.settings)
        for _ in range(3):  # what came to nothing time and again is given up, and taken up again when told so
            if "failed" in home.status()["by_state"]:
                run(home.folder, "retry", home.status()["run"], **home.settings)
        totals, status = provider.totals(), home.status()
    assert status["by_state"] == {"labelled": len(RULES)}
    assert status["batches"]["done"] > 4
    assert status["usd"] == pytest.approx(totals.usd)
    assert totals.rebought == 0


@pytest.mark.long
@pytest.mark.parametrize("api", supply.APIS)
def test_batches_for_a_small_server_are_asked_in_its_way(tmp_path, api):
    """One that takes no schema, and no more than 2,048 tokens at a time."""
    with Provider(Knobs(batch_seconds=0.2)) as provider:
        home = Home(tmp_path, provider, api, model="plain-short")
        rows = home.label("--batch")
        totals, status = provider.totals(), home.status()
    assert status["by_state"] == {"labelled": len(RULES)}
    assert all(row["scores"]["simulation.sparse"]["value"] > 0.8 for row in rows)
    assert status["usd"] == pytest.approx(totals.usd)
