"""What would be asked is shown as it would be sent, and nothing is."""

import asyncio
import json

import pytest

from labeler import api
from labeler.errors import InputError
from labeler.llm.protocol import PendingRequest
from labeler.pipeline.dry_run import STAGES
from tests.fakes.environment import clean, settings
from tests.fakes.evidence import make_store

HOSTED = "anthropic:claude-haiku-4-5"


@pytest.fixture
def dictionary(tmp_path, monkeypatch):
    clean(monkeypatch)
    store = make_store(tmp_path)
    return api.Dictionary("toy", store, settings(home=tmp_path))


def asked(dictionary, stage, **options) -> list[PendingRequest]:
    named = {"explainers": [HOSTED], "simulators": [HOSTED], "scorers": [HOSTED], "contexts": 20}
    return dictionary.requests(0, stage, **{**named, **options})


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_shown_without_a_key(dictionary, stage):
    found = asked(dictionary, stage)
    assert {one.backend for one in found} == {HOSTED}
    assert all(one.body["model"] == "claude-haiku-4-5" for one in found)
    assert all(one.bound.usd > 0 for one in found)


def test_the_same_question_has_the_same_key_every_time(dictionary):
    first, second = asked(dictionary, "simulate"), asked(dictionary, "simulate")
    assert [one.key for one in first] == [one.key for one in second]
    other = asked(dictionary, "simulate", label="castles and ships")
    assert {one.key for one in other}.isdisjoint(one.key for one in first)
    assert "castles and ships" in json.dumps(other[0].body)


def test_the_explainer_sees_the_explain_split_alone(dictionary):
    (one,) = asked(dictionary, "explain")
    shown = one.body["messages"][-1]["content"]
    score = {context.text.strip() for context in dictionary.evidence(0).of("score")}
    explain = {context.text.strip() for context in dictionary.evidence(0).of("explain")}
    plain = shown.replace("⟦", "").replace("⟧", "")
    assert not any(f"- {text}\n" in plain for text in score - explain)


def test_a_prompt_of_one_s_own_takes_the_place_of_ours(dictionary):
    mine = "Say what this is.\n---\n{% for context in active %}{{ context }};{% endfor %}"
    (one,) = asked(dictionary, "explain", prompts={"explain": mine})
    assert one.prompt != asked(dictionary, "explain")[0].prompt
    assert one.body["system"][0]["text"] == "Say what this is."


def test_a_stage_that_asks_nobody_is_said(dictionary):
    with pytest.raises(InputError, match="asks no model"):
        asked(dictionary, "explain", explainers=["lexical"])


def test_within_a_running_loop_too(dictionary):
    async def notebook():
        return asked(dictionary, "explain")

    assert len(asyncio.run(notebook())) == 1
