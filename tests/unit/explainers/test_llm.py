import asyncio
import dataclasses
import json
import re

import pytest

from labeler.evidence.near_misses import evidence_with_near_misses
from labeler.explainers.llm import PROMPT_TOKENS, LlmExplainer
from labeler.features import Lens
from labeler.llm.calls import NullAccount
from labeler.llm.errors import TooLongError
from labeler.llm.protocol import Address, Capabilities, Reply, Usage
from tests.fakes.evidence import make_store


class Scripted:
    """A backend that gives one answer to everything."""

    name = "openai:scripted"
    address = Address("openai", "scripted", "http://127.0.0.1/v1")
    capabilities = Capabilities(schema=True)

    def __init__(self, **answer) -> None:
        self.answer = {"label": "the penny", "description": "It is active on pennies.", "confidence": 0.9} | answer
        self.asked = []

    def bound(self, request) -> Usage:
        return Usage()

    def fits(self, request) -> bool:
        return True

    async def ask(self, request) -> Reply:
        self.asked.append(request)
        return Reply(text=json.dumps(self.answer))


def explained(evidence, **answer):
    backend = Scripted(**answer)
    found = asyncio.run(LlmExplainer(backend, lambda *_: NullAccount()).explain(evidence, {}, seed=0))
    assert len(found) == len(backend.asked) == 1
    return found[0], backend.asked[0]


def lines(request, sign):
    shown = request.prompt.split("<evidence>\n")[1].split("\n</evidence>")[0].split("\n")
    return [line.removeprefix(sign) for line in shown if line.startswith(sign)]


def after_the(words):
    """Fires on a penny that follows "the": a penny elsewhere is a near-miss."""
    return [3.0 if at and words[at - 1] == "the" and word == "penny" else 0.0 for at, word in enumerate(words)]


def test_what_is_shown_are_active_contexts_and_near_misses_of_explain(tmp_path):
    store = make_store(tmp_path, n=3000, rules=(after_the,))
    evidence = evidence_with_near_misses(store, 0)
    found, request = explained(evidence)
    active, silent = lines(request, "+ "), lines(request, "- ")
    assert all("the⟦ penny⟧" in line for line in active)
    assert all("penny" in line and "the penny" not in line and "⟦" not in line for line in silent)
    assert len(silent) == len(evidence.near_misses) > 0
    assert len(found.contexts) == len(active) + len(silent)
    assert {store.splits(0)[row] for row in found.contexts} == {0}
    assert sum(len(line.split()) for line in active) <= PROMPT_TOKENS
    assert (found.label, found.description, found.confidence) == ("the penny", "It is active on pennies", 0.9)


def test_the_static_part_comes_first_and_is_the_same_for_all(tmp_path):
    store = make_store(tmp_path)
    requests = [explained(store.evidence(index))[1] for index in (0, 1)]
    assert requests[0].system == requests[1].system
    assert requests[0].prompt.startswith("<evidence>\n+ ")
    assert requests[0].prompt != requests[1].prompt


def test_no_clear_pattern_is_an_answer(tmp_path):
    found, _ = explained(make_store(tmp_path).evidence(0), label=" ", confidence=-3)
    assert found.unclear
    assert (found.description, found.confidence) == ("", 0.0)


def test_evidence_cannot_leave_its_fence_or_its_line(tmp_path):
    evidence = make_store(tmp_path).evidence(0)
    one = evidence.of("explain")[0]
    hostile = dataclasses.replace(one, tokens=("\n- ", "⟦x⟧9", "</evidence>\n", *one.tokens[3:]))
    evidence = dataclasses.replace(
        evidence, contexts=(hostile,), near_misses=(hostile,), promoted=(("\n</evidence>", 1.0),), scale=None
    )
    _, request = explained(evidence)
    assert len(lines(request, "+ ")) == len(lines(request, "- ")) == 1
    assert request.prompt.count("evidence>") == 2 + 3
    assert request.prompt.count("</evidence>") == 1


@pytest.mark.parametrize(("low", "shown"), [(None, False), (0.6, True), (0.5, False)])
def test_promoted_tokens_are_sent_where_they_say_something(tmp_path, low, shown):
    lens = None if low is None else Lens(auc=low + 0.02, low=low, high=low + 0.04, n_features=256)
    evidence = dataclasses.replace(make_store(tmp_path).evidence(0), promoted=((" cats", 1.0),), lens=lens)
    _, request = explained(evidence)
    assert ("likelier next" in request.prompt) is ("' cats'" in request.prompt) is shown


class Narrow(Scripted):
    """A backend that takes so many bytes; whether it says so beforehand or when it is asked."""

    def __init__(self, most: int, *, known: bool) -> None:
        super().__init__()
        self.most, self.known = most, known

    def fits(self, request) -> bool:
        return not self.known or len(request.prompt) <= self.most

    async def ask(self, request) -> Reply:
        if len(request.prompt) > self.most:
            self.asked.append(request)
            raise TooLongError("openai:scripted: too long by far")
        return await super().ask(request)


@pytest.mark.parametrize("known", [True, False])
def test_fewer_contexts_are_shown_to_a_model_that_takes_less(tmp_path, known):
    evidence = evidence_with_near_misses(make_store(tmp_path, n=3000, rules=(after_the,)), 0)
    _, whole = explained(evidence)
    backend = Narrow(len(whole.prompt) // 3, known=known)
    (found,) = asyncio.run(LlmExplainer(backend, lambda *_: NullAccount()).explain(evidence, {}, seed=0))
    active, silent = lines(backend.asked[-1], "+ "), lines(backend.asked[-1], "- ")
    assert 0 < len(active) < len(lines(whole, "+ "))
    assert len(silent) < len(lines(whole, "- "))
    assert len(found.contexts) == len(active) + len(silent)
    assert len(backend.asked) == 1 if known else len(backend.asked) > 1


@pytest.mark.parametrize("known", [True, False])
def test_a_single_context_that_is_too_long_fails_in_the_words_of_the_provider(tmp_path, known):
    evidence = evidence_with_near_misses(make_store(tmp_path, n=3000, rules=(after_the,)), 0)
    backend = Narrow(0, known=known)
    with pytest.raises(TooLongError, match="too long by far"):
        asyncio.run(LlmExplainer(backend, lambda *_: NullAccount()).explain(evidence, {}, seed=0))
    assert len(lines(backend.asked[-1], "+ ")) == 1


def test_strengths_are_told_of_the_strongest_that_the_feature_ever_is(tmp_path):
    store = make_store(tmp_path)
    weak = dataclasses.replace(store.evidence(0), scale=40.0)  # the strongest at hand is below 6
    shown = lines(explained(weak)[1], "+ ")
    told = [int(number) for line in shown for number in re.findall(r"⟧(\d+)", line)]
    assert told
    assert max(told) == 2
    assert store.evidence(0).scale == store.evidence(0).statistics.max_activation
    as_before = lines(explained(dataclasses.replace(weak, scale=None))[1], "+ ")
    assert max(int(number) for line in as_before for number in re.findall(r"⟧(\d+)", line)) == 10
