"""A feature that fires in a handful of documents: labelled of all of them, scored by halves, and never on what was shown."""

import asyncio
import json
from dataclasses import replace

import pytest

from labeler import api
from labeler.catalogue.records import CandidateRecord, LabelOutcome, ScoreRecord
from labeler.catalogue.repository import Catalogue
from labeler.features import SPLITS
from labeler.home import open_store
from labeler.metrics import ONE_HALF, TOO_FEW
from labeler.metrics.correlation import NO_INTERVAL
from labeler.pipeline import feature as label
from labeler.pipeline.config import RunConfig
from labeler.pipeline.cross_fitting import BY_HALVES, joined, mean_of_folds
from labeler.pipeline.worker_loop import Drain
from labeler.settings import Settings
from tests.fakes.environment import clean
from tests.fakes.evidence import make_store, on
from tests.fakes.provider import ProviderThread, json_answer


def rare(word):
    """Fires on a word where two others stand beside it: in few documents."""

    def rule(words):
        return [
            4.0 + at if found == word and "salt" in words and "wool" in words else 0.0 for at, found in enumerate(words)
        ]

    return rule


RULES = (rare("penny"), on("march", "june"), on("the"), on("river", "ships"))
LEXICAL = {"explainers": ["lexical"], "simulators": ["lexical"]}


@pytest.fixture
def chosen(tmp_path, monkeypatch) -> Settings:
    clean(monkeypatch)
    make_store(tmp_path, rules=RULES)
    return Settings(_env_file=None, home=tmp_path)


def dictionary(chosen):
    return api.Dictionary("toy", open_store(chosen.shelf, "toy"), chosen)


def drain(chosen):
    catalogue = Catalogue(chosen.database)
    try:
        return asyncio.run(Drain(catalogue, chosen).run(lambda: False))
    finally:
        catalogue.close()


def documents(store, contexts):
    return {store.rows.document(int(row)) for row in contexts}


def test_the_label_is_made_of_all_and_the_score_is_the_mean_of_both_halves(chosen):
    store = dictionary(chosen).store
    assert store.halves(0)
    assert not any(store.halves(index) for index in (1, 2, 3))
    run = dictionary(chosen).label(**LEXICAL)
    drain(chosen)
    (row,) = run.rows([0])
    assert row["state"] == "labelled"
    score = row["scores"][row["headline"]]
    assert score["sampling"].endswith(BY_HALVES)
    (kept,) = [one for one in run.scores(0) if one.key == row["headline"]]
    folds = kept.details["folds"]
    assert score["value"] == pytest.approx(sum(fold["value"] for fold in folds) / 2)
    assert score["low"] <= score["value"] <= score["high"]
    assert score["n_contexts"] == sum(fold["n_contexts"] for fold in folds)
    assert (len(kept.details["null"]), kept.null_mean < score["value"]) == (3, True)
    assert row["controls"]["lookup"]["value"] is not None
    *of_all, one, other = candidates(chosen, run)
    whole, of_halves = of_all[0], (one, other)
    for half, candidate in enumerate(of_halves):
        assert store.half_of(0, candidate.contexts) == half
        shown = documents(store, candidate.contexts)
        scored = documents(store, store.fold(half).frame(0, "score").contexts)
        assert shown
        assert not shown & scored
    assert documents(store, whole.contexts) == set.union(*(documents(store, one.contexts) for one in of_halves))


def test_a_plan_tells_that_halves_ask_an_explainer_three_times(chosen):
    model = "openai:m@http://127.0.0.1:9/v1"
    (one,) = dictionary(chosen).plan([0], explainers=model, simulators="lexical")
    (other,) = dictionary(chosen).plan([1], explainers=model, simulators="lexical")
    assert (one.by_halves, one.calls.mid) == (1, 3)
    assert (other.by_halves, other.calls.mid) == (0, 1)


def test_two_halves_together_are_as_few_contexts_as_they_are(chosen):
    """A handful of firing contexts is no better for being scored in two parts: doubted, counted, and in no mean."""
    store = dictionary(chosen).store
    firing = len(store.evidence(0).contexts)
    assert firing < 12
    run = dictionary(chosen).label([0], **LEXICAL)
    drain(chosen)
    (row,) = run.rows([0])
    for key in ("simulation.lexical", "auprc.lexical", "variance_explained.lexical"):
        score = row["scores"][key]
        assert score["state"] == "imprecise"
        assert score["reason"].startswith(f"{TOO_FEW}: {firing} that fire")
    (headline,) = dictionary(chosen).report().headlines
    assert (headline.n_few, headline.score.n) == (1, 0)


@pytest.fixture
def silent_halves(monkeypatch):
    """The numbers of the halves in which the explainer sees no pattern; a test puts them in."""
    which: set[int] = set()
    real = label.explain

    async def explain(bench, explainers, index):
        found = await real(bench, explainers, index)
        return [replace(one, label="", description="") for one in found] if bench.store._fold in which else found

    monkeypatch.setattr(label, "explain", explain)
    return which


@pytest.mark.parametrize("silent", [0, 1])
def test_where_one_half_is_unclear_the_score_stands_on_the_other_and_in_no_mean(chosen, silent_halves, silent):
    both = dictionary(chosen).label([0, 1, 2], **LEXICAL)
    drain(chosen)
    kept = next(one for one in both.scores(0) if one.key == "simulation.lexical").details["folds"][1 - silent]
    silent_halves.add(silent)
    run = dictionary(chosen).label([0, 1, 2], **LEXICAL)
    drain(chosen)
    (row,) = run.rows([0])
    score = row["scores"]["simulation.lexical"]
    assert (score["value"], score["low"], score["high"]) == (kept["value"], kept["low"], kept["high"])
    assert score["n_contexts"] == kept["n_contexts"]
    assert score["state"] == "imprecise"
    assert score["reason"] == f"{ONE_HALF}; of the other: no explainer saw a clear pattern"
    assert row["controls"]["lookup"]["value"] is not None
    (stored,) = [one for one in run.scores(0) if one.key == "simulation.lexical"]
    assert stored.details["folds"][silent] is None
    assert len(stored.details["null"]) == 2, "on the half that there is"
    (headline,) = dictionary(chosen).report(run.id).headlines
    assert (headline.n_half, headline.n_few, headline.score.n, headline.score.n_undefined) == (1, 0, 2, 0)
    again = dictionary(chosen).score(simulators=["lexical"], features=[0])
    drain(chosen)
    (after,) = again.rows([0])
    assert after["scores"]["simulation.lexical"]["value"] == pytest.approx(kept["value"])
    assert after["scores"]["simulation.lexical"]["reason"].startswith(ONE_HALF)


def test_where_both_halves_are_unclear_nothing_was_scored(chosen, silent_halves):
    silent_halves.update((0, 1))
    run = dictionary(chosen).label([0, 1], **LEXICAL)
    drain(chosen)
    (row,) = run.rows([0])
    score = row["scores"]["simulation.lexical"]
    assert (row["state"], score["state"], score["value"]) == ("labelled", "unscored", None)
    assert score["reason"] == "neither of its two halves has a label to score: no explainer saw a clear pattern"
    (headline,) = dictionary(chosen).report(run.id).headlines
    assert (headline.score.n, headline.score.n_undefined) == (1, 0)
    again = dictionary(chosen).score(simulators=["lexical"], features=[0])
    drain(chosen)
    (after,) = again.rows([0])
    assert after["scores"]["simulation.lexical"]["state"] == "unscored"
    assert after["scores"]["simulation.lexical"]["reason"] == score["reason"]


@pytest.mark.parametrize(("firing", "few"), [(5, True), (6, False)])
def test_of_halves_top_and_random_has_no_interval_either(firing, few):
    made = CandidateRecord(label="penny", explainer="lexical")
    one = LabelOutcome(state="labelled", candidates=[made], chosen=0)
    details = {"firing": firing, "silent": 40}
    score = ScoreRecord(key="top", state="imprecise", value=0.5, reason=NO_INTERVAL, details=details)
    config = RunConfig(dictionary="toy", explainers=("lexical",), simulators=("lexical",))
    (found,) = joined(one, [replace(one, scores=[score])] * 2, config).scores
    assert (found.state, found.value, found.low) == ("imprecise", 0.5, None)
    assert found.reason.startswith(TOO_FEW) == few
    assert found.reason.endswith(NO_INTERVAL)


def candidates(chosen, run):
    catalogue = Catalogue(chosen.database)
    try:
        return catalogue.candidates(run.record.id, 0)
    finally:
        catalogue.close()


def test_scored_again_each_half_keeps_its_label(chosen):
    first = dictionary(chosen).label([0], **LEXICAL)
    drain(chosen)
    made = candidates(chosen, first)
    again = dictionary(chosen).score(simulators=["lexical"], features=[0])
    drain(chosen)
    assert sorted(map(str, candidates(chosen, again))) == sorted(map(str, made))  # the chosen one stands first now
    (before,), (after,) = first.rows([0]), again.rows([0])
    key = before["headline"]
    assert after["scores"][key]["value"] == pytest.approx(before["scores"][key]["value"])
    assert after["provenance"]["held_out"] is True


def test_a_model_is_asked_three_times_and_a_plan_knows_it(chosen):
    def explainer(asked):
        marked = asked.prompt.split("⟦")[1].split("⟧")[0].strip()
        return json_answer({"label": f'the word "{marked}"', "description": "", "confidence": 0.9})

    with ProviderThread(explainer) as provider:
        name = f"openai:m@{provider.url}/v1"
        run = dictionary(chosen).label([0, 1], explainers=[name], simulators=["lexical"])
        drain(chosen)
    by_index = {row["index"]: row for row in run.rows([0, 1])}
    assert (by_index[0]["cost"]["calls"], by_index[1]["cost"]["calls"]) == (3, 1)
    assert by_index[0]["label"] == 'the word "penny"'


def test_one_document_alone_is_labelled_and_says_why_it_has_no_score(tmp_path, monkeypatch):
    clean(monkeypatch)
    seen = []

    def once(words):
        if "penny" in words and not seen:
            seen.append(tuple(words))
        return [4.0 if word == "penny" and seen == [tuple(words)] else 0.0 for word in words]

    make_store(tmp_path, rules=(once, on("the")))
    settings = Settings(_env_file=None, home=tmp_path)
    run = dictionary(settings).label(**LEXICAL)
    drain(settings)
    (row,) = run.rows([0])
    assert row["state"] == "labelled"
    score = row["scores"]["simulation.lexical"]
    assert (score["state"], score["value"]) == ("undefined", None)
    assert score["reason"].startswith(TOO_FEW)
    assert "fires in one document" in score["reason"]
    assert [headline.n_few for headline in dictionary(settings).report().headlines] == [1]


def test_evidence_that_never_heard_of_dealing_keeps_its_splits_and_its_identity(chosen):
    store = dictionary(chosen).store
    file = chosen.home / "dictionaries" / "toy" / "manifest.json"
    manifest = json.loads(file.read_text())
    del manifest["splits"]
    file.write_text(json.dumps(manifest))
    old = dictionary(chosen).store
    assert old.manifest.fingerprint != store.manifest.fingerprint
    assert not old.halves(0)
    for context in old.evidence(0).contexts:
        assert SPLITS.index(context.split) == old.rows.split[context.id]


@pytest.mark.parametrize(
    ("folds", "expected"),
    [
        ([(0.5, 0.5, 0.5), (0.7, 0.7, 0.7)], (0.6, 0.6, 0.6)),
        ([(0.5, 0.2, 0.6), (0.7, 0.3, 0.8)], (0.6, 0.6 - 0.5 / 2, 0.6 + 0.02**0.5 / 2)),
        ([(0.9, -1.0, 1.0), (0.9, 0.8, 1.0)], (0.9, 0.9 - (1.9**2 + 0.1**2) ** 0.5 / 2, 0.9 + 0.02**0.5 / 2)),
        ([(0.5, None, None), (0.7, 0.6, 0.8)], (0.6, None, None)),
    ],
)
def test_the_interval_of_a_mean(folds, expected):
    assert mean_of_folds(folds) == pytest.approx(expected)
