import asyncio
import time

import pytest

from labeler import api
from labeler.catalogue.repository import Catalogue
from labeler.errors import InputError
from labeler.home import open_store
from labeler.pipeline.worker_loop import Drain
from labeler.settings import Settings
from tests.fakes.environment import clean
from tests.fakes.evidence import make_store
from tests.fakes.provider import ProviderThread, answer, fail, hang, json_answer, refusal, truncated


@pytest.fixture
def chosen(tmp_path, monkeypatch, catalogue_url) -> Settings:
    clean(monkeypatch)
    make_store(tmp_path)
    return Settings(_env_file=None, home=tmp_path, database_url=catalogue_url)


def dictionary(chosen: Settings) -> api.Dictionary:
    return api.Dictionary("toy", open_store(chosen.shelf, "toy"), chosen)


def drain(chosen: Settings, until=lambda: False) -> int:
    catalogue = Catalogue(chosen.database)
    try:
        return asyncio.run(Drain(catalogue, chosen).run(until))
    finally:
        catalogue.close()


LEXICAL = {"explainers": ["lexical"], "simulators": ["lexical"]}


def test_every_feature_ends_in_a_state_and_the_run_finishes(chosen):
    run = dictionary(chosen).label(**LEXICAL)
    assert drain(chosen) == 8  # four live features, each labelled and then held against the null
    rows = list(run.rows())
    assert [(row["index"], row["state"]) for row in rows] == [
        (0, "labelled"),
        (1, "labelled"),
        (2, "labelled"),
        (3, "labelled"),
        (4, "dead"),
    ]
    assert run.record.state == "finished"
    assert rows[4]["reason"] == "never fired in the 8,278 tokens collected"


def test_a_budget_for_features_that_ask_nobody_is_no_hindrance(chosen):
    free = dictionary(chosen).label(budget=0.01, **LEXICAL)
    dead = dictionary(chosen).label([4], budget=0.01, **LEXICAL)
    assert dead.record.state == "finished"
    drain(chosen)
    assert (free.record.state, free.progress().by_state) == ("finished", {"labelled": 4, "dead": 1})


def test_a_rule_that_is_a_list_of_words_is_found_and_scored(chosen):
    run = dictionary(chosen).label([3], **LEXICAL)
    drain(chosen)
    (row,) = run.rows()
    assert row["label"] == '"penny"'
    score = row["scores"]["simulation.lexical"]
    assert score["value"] > 0.95
    assert score["low"] <= score["value"] <= score["high"]
    assert row["controls"]["lookup"]["value"] > 0.95
    assert row["scores"]["simulation_top_and_random.lexical"]["value"] is not None


def test_labels_beat_those_of_other_features(chosen):
    run = dictionary(chosen).label(**LEXICAL)
    drain(chosen)
    for row in run.rows([0, 2, 3]):
        (score,) = [s for s in run.scores(row["index"]) if s.key == "simulation.lexical"]
        assert score.value > score.null_mean
        assert len(score.details["null"]) == 3


def test_no_context_of_score_was_shown_to_an_explainer_or_used_to_choose(chosen):
    """The documents of the contexts an explainer saw and of those a score was made on have nothing in common."""
    run = dictionary(chosen).label(**LEXICAL)
    drain(chosen)
    store = dictionary(chosen).store
    for index in range(4):
        shown = {store.rows.document(c.id) for c in store.evidence(index).of("explain")}
        chosen_on = {store.rows.document(r) for r in store.frame(index, "select").contexts}
        scored_on = {store.rows.document(r) for r in store.frame(index, "score").contexts}
        assert not shown & scored_on
        assert not chosen_on & scored_on
    assert run.record.state == "finished"


def test_stopped_half_way_it_gives_back_what_it_held_and_another_goes_on(chosen):
    run = dictionary(chosen).label(**LEXICAL)
    looks = iter([False])
    drain(chosen, until=lambda: next(looks, True))
    assert run.progress().leased == 0
    drain(chosen)
    assert [row["state"] for row in run.rows()].count("labelled") == 4
    assert run.record.state == "finished"


def explainer(asked):
    """Answers an explanation from the evidence in it: the first word between the marks."""
    if "evidence" in asked.prompt:
        marked = asked.prompt.split("⟦")[1].split("⟧")[0].strip()
        return json_answer({"label": f'the word "{marked}"', "description": "", "confidence": 0.9})
    return fail(400)


def test_a_model_over_http_explains_and_what_it_took_is_recorded(chosen):
    with ProviderThread(explainer) as provider:
        name = f"openai:m@{provider.url}/v1"
        run = dictionary(chosen).label(explainers=[name], simulators=["lexical"])
        drain(chosen)
    rows = list(run.rows([0, 1, 2, 3]))
    assert all(row["state"] == "labelled" for row in rows)
    assert {row["explainer"] for row in rows} == {name}
    progress = run.progress()
    assert progress.calls == 4
    assert progress.input_tokens > 0
    assert rows[0]["cost"]["calls"] == 1
    assert rows[0]["provenance"]["prompts"]["explain"].startswith("explain@")


def test_a_prompt_shows_contexts_of_explain_alone(chosen):
    with ProviderThread(explainer) as provider:
        run = dictionary(chosen).label([1], explainers=[f"openai:m@{provider.url}/v1"], simulators=["lexical"])
        drain(chosen)
        (asked,) = provider.provider.asked
    store = dictionary(chosen).store
    texts = {"".join(store.rows.strings(r)) for r in store.frame(1, "score").contexts}
    texts -= {"".join(c.tokens) for c in store.evidence(1).of("explain")}
    shown = asked.prompt.replace("⟦", "").replace("⟧", "")
    assert not [text for text in texts if f">{text}<" in shown]
    assert run.record.state == "finished"


@pytest.mark.parametrize(("behaviour", "reason"), [(refusal(), "declined"), (json_answer({"no": 1}), "")])
def test_an_answer_of_no_use_fails_the_feature_with_the_reason_and_the_run_goes_on(
    chosen, behaviour, reason, monkeypatch
):
    monkeypatch.setattr("labeler.llm.calls.BASE_SECONDS", 0.01)
    with ProviderThread(lambda asked: behaviour) as provider:
        run = dictionary(chosen).label(explainers=[f"openai:m@{provider.url}/v1"], simulators=["lexical"])
        drain(chosen)
    rows = list(run.rows())
    assert [row["state"] for row in rows] == ["failed"] * 4 + ["dead"]
    assert all(reason in row["reason"].lower() for row in rows[:4])
    assert all(row["label"] is None for row in rows[:4])
    assert run.record.state == "finished"


TROUBLES = {"march": refusal(), "june": refusal(), "the": fail(400), "river": truncated(), "ships": truncated()}
"""What each feature's explanation meets, by the first word that is marked; the others' answer is no JSON."""


def test_failures_are_counted_by_kind_and_tried_again_by_kind(chosen, monkeypatch):
    monkeypatch.setattr("labeler.llm.calls.BASE_SECONDS", 0.01)
    mended: list[bool] = []

    def trouble(asked):
        marked = asked.prompt.split("⟦")[1].split("⟧")[0].strip()
        return explainer(asked) if mended else TROUBLES.get(marked, answer("no JSON"))

    with ProviderThread(trouble) as provider:
        run = dictionary(chosen).label(explainers=[f"openai:m@{provider.url}/v1"], simulators=["lexical"])
        drain(chosen)
        kinds = {0: "refusal", 1: "rejected", 2: "cut", 3: "malformed", 4: None}
        assert {row["index"]: row["failure"] for row in run.rows()} == kinds
        assert run.progress().failures == {"cut": 1, "malformed": 1, "refusal": 1, "rejected": 1}
        assert dictionary(chosen).report().failures.keys() == {"cut", "malformed", "refusal", "rejected"}

        with pytest.raises(InputError, match="'nonsense' is no kind of failure; there are: refusal, too-long, cut, "):
            run.retry(["refusal", "nonsense"])
        mended.append(True)
        assert run.retry(["busy"]) == 0
        assert run.record.state == "finished"
        assert run.retry(["refusal", "cut"]) == 2
        drain(chosen)
    assert [row["state"] for row in run.rows()] == ["labelled", "failed", "labelled", "failed", "dead"]
    assert {row["index"]: row["failure"] for row in run.rows()} == {
        0: None,
        1: "rejected",
        2: None,
        3: "malformed",
        4: None,
    }
    assert run.record.state == "finished"


def test_a_headline_that_cannot_be_had_keeps_the_kind_of_its_failure(chosen, monkeypatch):
    monkeypatch.setattr("labeler.llm.calls.BASE_SECONDS", 0.01)
    with ProviderThread(lambda asked: refusal()) as provider:
        name = f"sparse=openai:m@{provider.url}/v1"
        run = dictionary(chosen).label([0], explainers=["lexical"], simulators=[name])
        drain(chosen)
    assert [row["failure"] for row in run.rows()] == ["refusal"]


def test_busy_servers_are_asked_again_and_failed_features_can_be_retried(chosen, monkeypatch):
    monkeypatch.setattr("labeler.llm.calls.BASE_SECONDS", 0.01)
    trouble = [429, 500, 529, 503]

    def sometimes(asked):
        return fail(trouble.pop()) if trouble else explainer(asked)

    with ProviderThread(sometimes) as provider:
        run = dictionary(chosen).label([0, 1], explainers=[f"openai:m@{provider.url}/v1"], simulators=["lexical"])
        drain(chosen)
        assert [row["state"] for row in run.rows()] == ["labelled", "labelled"]

    mended: list[bool] = []
    with ProviderThread(lambda asked: explainer(asked) if mended else fail(500)) as broken:
        broken_run = dictionary(chosen).label([0], explainers=[f"openai:m@{broken.url}/v1"], simulators=["lexical"])
        drain(chosen)
        assert [row["state"] for row in broken_run.rows()] == ["failed"]
        mended.append(True)
        assert broken_run.retry() == 1
        drain(chosen)
    assert [row["state"] for row in broken_run.rows()] == ["labelled"]


def test_a_missing_key_is_told_before_anything_is_stored(chosen):
    with pytest.raises(InputError, match="ANTHROPIC_API_KEY"):
        dictionary(chosen).label(explainers=["anthropic:claude-haiku-5-5"])
    assert dictionary(chosen).runs() == []


def test_an_error_of_ours_is_tried_again_and_then_told(chosen, monkeypatch):
    def broken(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr("labeler.pipeline.evaluation.look_up", broken)
    run = dictionary(chosen).label([0], **LEXICAL)
    now = time.time()
    for later in range(4):  # past the wait after each attempt
        monkeypatch.setattr("labeler.pipeline.worker_loop.time.time", lambda later=later: now + 100.0 * later)
        drain(chosen)
    (row,) = run.rows()
    assert (row["state"], row["reason"]) == ("failed", "internal error: RuntimeError")
    assert run.progress().failures == {"internal": 1}


def test_a_worker_that_lacks_the_evidence_or_a_key_leaves_the_run_to_others(chosen, tmp_path):
    run = dictionary(chosen).label([0, 1], **LEXICAL)
    elsewhere = chosen.model_copy(update={"home": tmp_path / "elsewhere"})
    looks = iter([False, False, False])
    drain(elsewhere, until=lambda: next(looks, True))
    assert list(run.rows()) == []
    assert run.progress().leased == 0


def test_a_run_is_not_worked_on_with_other_evidence_than_it_was_begun_with(chosen):
    run = dictionary(chosen).label([0, 1], **LEXICAL)
    manifest = chosen.home / "dictionaries/toy/manifest.json"
    manifest.write_text(manifest.read_text().replace('"corpus": "toy"', '"corpus": "another"'))
    with pytest.raises(InputError, match="was begun on other evidence of 'toy'"):
        run.work()
    assert list(run.rows()) == []


def test_a_call_that_is_cut_off_is_listed_with_the_most_that_it_can_have_cost(chosen):
    with ProviderThread(lambda asked: hang()) as provider:
        run = dictionary(chosen).label([0], explainers=[f"openai:m@{provider.url}/v1"], simulators=["lexical"])
        drain(chosen, until=lambda: len(provider.provider.asked) > 0)
    progress = run.progress()
    assert (progress.calls, progress.unknown_calls) == (0, 1)
