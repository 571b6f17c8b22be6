"""Judges asked over HTTP, by either API, through the backends that a user names."""

import asyncio

import pytest

from labeler.llm.calls import NullAccount
from labeler.llm.names import open_backend
from labeler.pipeline.config import RunConfig
from labeler.pipeline.evaluation import foreign_judgements, judge, questions
from labeler.scorers import open_judge, parse_scorer
from labeler.settings import Settings
from tests.fakes.environment import clean
from tests.fakes.evidence import RULES, make_store
from tests.fakes.provider import FakeProvider, fail, json_answer, judge_by_words

CONFIG = RunConfig(dictionary="toy", explainers=("lexical",), simulators=("lexical",))


def after_the(words):
    return [3.0 if at and words[at - 1] == "the" and word == "king" else 0.0 for at, word in enumerate(words)]


def king(words):
    return [2.0 if word == "king" else 0.0 for word in words]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("home"), n=8000, rules=(*RULES[:4], after_the, king))


@pytest.fixture(params=["openai", "anthropic"])
def api(request, monkeypatch):
    clean(monkeypatch)
    monkeypatch.setattr("labeler.llm.calls.BASE_SECONDS", 0.0)
    return request.param


def run(store, api, name, index, text, *script, foreign=()):
    """The record, the foreign values and the calls of one judge over HTTP."""

    async def over_http():
        calls = []
        async with FakeProvider(*script) as provider:
            llm = f"{api}:m@{provider.url}" + ("/v1" if api == "openai" else "")
            backend = open_backend(llm, Settings(_env_file=None))
            recorder = lambda backend, prompt: NullAccount(lambda usage, outcome: calls.append((prompt, outcome)))  # noqa: E731
            scorer = open_judge(parse_scorer(f"{name}={llm}"), lambda _: backend, recorder)
            found = await judge(scorer, text, store, index, CONFIG)
            asked = await questions(scorer, store, index, CONFIG)
            values = await foreign_judgements(scorer, foreign, asked)
            await backend.close()
        return found, values, calls

    return asyncio.run(over_http())


@pytest.mark.parametrize("name", ["detection", "fuzzing"])
def test_a_true_label_scores_one_and_others_a_half(store, api, name):
    found, values, calls = run(
        store, api, name, 0, '"march" and "june"', judge_by_words, foreign=['"penny"', '"river" and "ships"']
    )
    assert (found.value, found.state, found.n_contexts) == (1.0, "ok", 80)
    assert values == pytest.approx([0.5, 0.5], abs=0.2)
    assert len(calls) == 8 * 3
    assert {(prompt.split("@")[0], outcome) for prompt, outcome in calls} == {(name, "answered")}


def test_a_label_that_a_neighbour_shares_is_found_out_by_discrimination_alone(store, api):
    broad = {name: run(store, api, name, 4, '"king"', judge_by_words)[0] for name in ("detection", "discrimination")}
    assert broad["discrimination"].value == 0.5
    assert broad["detection"].value > 0.8


def test_an_intruder_is_found_without_a_label(store, api):
    found, _, _ = run(store, api, "intruder", 3, "", judge_by_words)
    assert found.value > 0.9
    assert found.null_mean == 0.2


def test_trouble_on_the_way_is_mended_and_counted(store, api):
    """A busy server, an answer that is no answer, one that leaves contexts out: the score is what it would have been."""
    trouble = [
        lambda asked: fail(529 if api == "anthropic" else 503),
        lambda asked: json_answer({"contexts": [{"id": 1}]}),
        lambda asked: json_answer({"contexts": []}),
    ]
    found, _, calls = run(
        store, api, "detection", 3, '"penny"', lambda asked: (trouble.pop() if trouble else judge_by_words)(asked)
    )
    assert (found.value, found.state) == (1.0, "ok")
    assert found.details["asked_again"] == 10
    assert [outcome for _, outcome in calls].count("malformed") == 1
