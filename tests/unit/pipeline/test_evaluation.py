import asyncio
import json

import numpy as np
import pytest

from labeler.llm.errors import BusyError, RefusedError
from labeler.metrics import balanced_accuracy, share
from labeler.pipeline.config import RunConfig
from labeler.pipeline.evaluation import foreign_judgements, judge, questions
from labeler.scorers import open_judge, parse_scorer
from tests.fakes.evidence import RULES, make_store
from tests.unit.scorers.scripted import Scripted, contexts_of, marked_words, unrecorded

CONFIG = RunConfig(dictionary="toy", explainers=("lexical",), simulators=("lexical",), contexts=40)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("home"), n=3000)


def opened(name, backend):
    return open_judge(parse_scorer(f"{name}=openai:scripted"), lambda _: backend, unrecorded)


def scored(store, name, say, index=0, **spoilt):
    backend = Scripted(say, **spoilt)
    return asyncio.run(judge(opened(name, backend), "a label", store, index, CONFIG)), backend


def mostly(text):
    """Right, but blind to June."""
    return "march" in (marked_words(text) if "⟦" in text else text.split())


def no_month(contexts):
    """The first context without a marked month."""
    return next((at for at, text in enumerate(contexts, 1) if not marked_words(text) & {"march", "june"}), 1)


@pytest.mark.parametrize("name", ["detection", "fuzzing"])
def test_a_score_is_computed_again_from_what_is_stored(store, name):
    found, _ = scored(store, name, mostly, spoils=["forget"])
    assert (found.key, found.simulator, found.state) == (name, "openai:scripted", "ok")
    assert 0.5 < found.value < 1
    kept = json.loads(json.dumps(found.details))
    assert len(kept["contexts"]) == len(kept["truth"]) == len(kept["answers"]) == found.n_contexts == 40
    assert kept["asked_again"] == 1
    assert kept["prompt"].startswith(f"{name}@")
    again = balanced_accuracy(kept["truth"], kept["answers"], precision=CONFIG.precision)
    assert (again.value, again.low, again.high) == (found.value, found.low, found.high)
    # And the truth from the evidence.
    words = [[token.strip() for token in store.rows.strings(row)] for row in kept["contexts"]]
    fires = [[value > 0 for value in RULES[0](context)] for context in words]
    if name == "detection":
        assert [any(one) for one in fires] == [yes == 1 for yes in kept["truth"]]
    else:
        right = [all(one[at] for at in marks) for one, marks in zip(fires, kept["marks"], strict=True)]
        assert right == [yes == 1 for yes in kept["truth"]]


def test_so_is_an_intruders_and_its_null_is_chance(store):
    found, _ = scored(store, "intruder", no_month)
    kept = json.loads(json.dumps(found.details))
    assert found.n_contexts == len(kept["truth"]) > 5
    assert len(kept["contexts"]) == len(kept["marks"]) == 5 * found.n_contexts
    again = share(kept["truth"], kept["answers"])
    assert (again.value, again.low, again.high) == (found.value, found.low, found.high) == (1.0, found.low, 1.0)
    for at, place in enumerate(kept["truth"]):
        rows = kept["contexts"][5 * at : 5 * at + 5]
        silent = [not np.any(RULES[0]([token.strip() for token in store.rows.strings(row)])) for row in rows]
        assert silent == [i == place for i in range(5)]
    assert found.null_mean == 0.2
    assert found.null_percentile > 99


def test_where_nothing_can_be_asked_the_score_says_so_and_nobody_is_asked(store):
    found, backend = scored(store, "discrimination", mostly)  # none of the toy's features is close to another
    assert found.state == "unscored"
    assert "none of the nearest features fires" in found.reason
    assert (found.value, found.n_contexts, backend.asked) == (None, 0, [])


class Failing(Scripted):
    def __init__(self, error):
        super().__init__(mostly)
        self.error = error

    async def ask(self, request):
        raise self.error


def test_a_judge_that_gives_nothing_usable_fails_alone(store, monkeypatch):
    monkeypatch.setattr("labeler.llm.calls.BASE_SECONDS", 0.0)
    found, _ = scored(store, "detection", mostly, spoils=["forget"] * 99)
    assert (found.state, found.value) == ("failed", None)
    assert "stayed without a usable answer" in found.reason
    refusing = opened("detection", Failing(RefusedError("m: it declined")))
    found = asyncio.run(judge(refusing, "a label", store, 0, CONFIG))
    assert (found.state, found.reason) == ("failed", "m: it declined")


def test_a_provider_that_does_not_answer_at_all_is_an_error(store, monkeypatch):
    monkeypatch.setattr("labeler.llm.calls.BASE_SECONDS", 0.0)
    with pytest.raises(BusyError):
        asyncio.run(judge(opened("detection", Failing(BusyError("overloaded"))), "a label", store, 0, CONFIG))


def test_foreign_labels_are_judged_on_the_very_same_questions(store):
    backend = Scripted(mostly)
    scorer = opened("detection", backend)
    own = asyncio.run(judge(scorer, "months", store, 0, CONFIG))
    asked = len(backend.asked)

    async def foreign():
        same = await questions(scorer, store, 0, CONFIG)
        return await foreign_judgements(scorer, ["pennies", "kings"], same)

    values = asyncio.run(foreign())
    assert values == [own.value] * 2  # this judge does not read labels
    shown = [sorted(text for r in backend.asked[i : i + asked] for text in contexts_of(r.prompt)) for i in (0, 4, 8)]
    assert shown[0] == shown[1] == shown[2]
    assert sum("pennies" in request.prompt for request in backend.asked) == asked


def test_what_costs_nothing_keeps_no_list_of_contexts(store, monkeypatch):
    monkeypatch.setattr("labeler.scorers.embedding_auc.encoder_available", lambda: True)
    monkeypatch.setattr(
        "labeler.scorers.embedding_auc.context_guide",
        lambda text, material: np.array([text in "".join(tokens) for tokens in material.tokens()], dtype=float),
    )
    scorer = open_judge(parse_scorer("embedding_auc"), lambda _: None, unrecorded)

    async def both():
        found = await judge(scorer, "penny", store, 3, CONFIG)
        asked = await questions(scorer, store, 3, CONFIG)
        return found, await foreign_judgements(scorer, ["penny", "king"] * 6, asked)

    found, foreign = asyncio.run(both())
    assert (found.key, found.value, found.state, found.details) == ("embedding_auc", 1.0, "ok", {})
    assert foreign[0] == 1.0
    assert foreign[1] == pytest.approx(0.5, abs=0.1)
    assert len(foreign) == 12
