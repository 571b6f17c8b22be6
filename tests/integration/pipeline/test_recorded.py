"""Recorded answers in a run: what they do not hold is missing alone, and what a live model fails at still fails."""

import asyncio
import json

import pytest

from labeler import api
from labeler.catalogue.repository import Catalogue
from labeler.home import open_store
from labeler.llm.providers import offline as recorded
from labeler.pipeline.worker_loop import Drain
from labeler.recorded_demo import unanswered
from labeler.settings import Settings
from tests.fakes.environment import clean
from tests.fakes.evidence import make_store
from tests.fakes.provider import ProviderThread, fail
from tests.fakes.shallow_encoder import shallow_encoder

NAME = "recorded:somebody"


@pytest.fixture
def chosen(tmp_path, monkeypatch) -> Settings:
    clean(monkeypatch)
    monkeypatch.setattr("labeler.models.encoder.load_encoder", shallow_encoder)
    monkeypatch.setattr("labeler.llm.calls.BASE_SECONDS", 0.01)
    (tmp_path / "somebody.jsonl").touch()
    monkeypatch.setattr(recorded, "shipped", lambda name: tmp_path)
    recorded.recorded.cache_clear()
    make_store(tmp_path)
    yield Settings(_env_file=None, home=tmp_path)
    recorded.recorded.cache_clear()


def rows_of(chosen, **options) -> tuple[api.Run, list[dict]]:
    run = api.Dictionary("toy", open_store(chosen.shelf, "toy"), chosen).label([0, 1, 2, 3], **options)
    catalogue = Catalogue(chosen.database)
    asyncio.run(Drain(catalogue, chosen).run(lambda: False))
    catalogue.close()
    return run, list(run.rows())


@pytest.mark.parametrize("more", [{}, {"scorers": [NAME]}])
def test_where_a_simulation_was_not_recorded_the_label_and_the_other_scores_stand(chosen, more):
    run, rows = rows_of(chosen, explainers=["lexical"], simulators=[NAME, "lexical"], **more)
    assert {row["state"] for row in rows} == {"labelled"}
    for row in rows:
        assert row["label"]
        missing, made = row["scores"]["simulation.sparse"], row["scores"]["simulation.lexical"]
        assert (missing["state"], missing["value"]) == ("unscored", None)
        assert recorded.NOT_RECORDED in missing["reason"]
        assert made["value"] is not None
        assert made["null_percentile"] is not None
    assert run.record.state == "finished"
    assert run.retry() == 0
    assert unanswered(run) == [0, 1, 2, 3]


def test_where_an_explanation_was_not_recorded_the_feature_has_failed_and_says_why(chosen):
    run, rows = rows_of(chosen, explainers=[NAME], simulators=["lexical"])
    assert {row["state"] for row in rows} == {"failed"}
    assert all(recorded.NOT_RECORDED in row["reason"] for row in rows)
    assert unanswered(run) == [0, 1, 2, 3]


def test_a_live_simulator_that_refuses_still_fails_the_feature(chosen):
    with ProviderThread(lambda asked: fail(400)) as provider:
        _, rows = rows_of(chosen, explainers=["lexical"], simulators=[f"openai:m@{provider.url}/v1", "lexical"])
    assert {row["state"] for row in rows} == {"failed"}
    assert json.dumps(rows).count('"label": null') == len(rows)
