"""Labels that nobody here explained are scored on every context that is at hand, and their null on the same."""

import asyncio

import numpy as np
import pytest

from labeler import api
from labeler.catalogue.records import LabelOutcome
from labeler.cli.running import displaced
from labeler.features import SPLITS
from labeler.home import open_store
from labeler.pipeline import feature
from labeler.pipeline.cross_fitting import BY_HALVES
from labeler.pipeline.scoring import foreign_scores, point, whole
from labeler.simulators import lexical
from tests.fakes.evidence import make_store
from tests.fakes.foreign.toy import save_toy_contexts
from tests.fakes.provider import ProviderThread, judge_by_words
from tests.integration.pipeline.test_halves import RULES
from tests.integration.pipeline.test_score import LEXICAL, chosen, drain, rows_of, toy

__all__ = ["chosen", "toy"]

THEIRS = {0: '"march"; "june"', 1: "the", 3: "penny"}


def stored(run, index, key="simulation.lexical"):
    return next(score for score in run.scores(index) if score.key == key)


def test_all_three_splits_are_scored_on_and_nothing_is_said_to_be_held_out(chosen, toy):
    run = toy.score(THEIRS, simulators=["lexical"])
    drain(chosen)
    for index, row in rows_of(run).items():
        score, sampled = row["scores"]["simulation.lexical"], whole(toy.store, index, SPLITS)
        assert score["n_contexts"] == len(sampled.frame) == toy.store.manifest.n_contexts
        simulator = lexical.LexicalSimulator()
        (prediction,) = asyncio.run(simulator.predict([THEIRS[index]], sampled.material))
        assert score["value"] == pytest.approx(point(sampled, prediction))
        assert row["provenance"]["held_out"] is None
        for key in ("simulation.lexical", "auprc.lexical", "variance_explained.lexical"):
            assert stored(run, index, key).details["splits"] == list(SPLITS)
        assert row["scores"]["variance_explained.lexical"]["value"] > 0.5
        assert row["controls"]["lookup"]["value"] is not None


def test_the_null_is_taken_on_the_same_contexts(chosen, toy):
    run = toy.score(THEIRS, simulators=["lexical"])
    drain(chosen)
    sampled = whole(toy.store, 3, SPLITS)
    others = [text for index, text in THEIRS.items() if index != 3]
    expected = asyncio.run(foreign_scores(lexical.LexicalSimulator(), others, sampled))
    assert sorted(stored(run, 3).details["null"]) == pytest.approx(sorted(expected), abs=1e-5)


def test_of_several_labels_the_one_chosen_on_select_is_scored_on_the_others(chosen, toy):
    run = toy.score({3: ["corn and salt", "penny"], 1: "the"}, simulators=["lexical"])
    drain(chosen)
    rows = rows_of(run)
    assert rows[3]["scores"]["simulation.lexical"]["n_contexts"] == len(toy.store.frame(3, ("explain", "score")))
    assert stored(run, 3).details["splits"] == ["explain", "score"]
    assert rows[1]["scores"]["simulation.lexical"]["n_contexts"] == len(toy.store.frame(1, SPLITS))


def test_what_was_scored_so_is_scored_so_again_and_what_was_made_here_never(chosen, toy):
    toy.label([0, 1], **LEXICAL)
    drain(chosen)
    toy.score({3: "penny"}, simulators=["lexical"])
    drain(chosen)
    run = toy.score(simulators=["lexical"], scorers=["embedding_auc"])
    drain(chosen)
    n = {index: row["scores"]["embedding_auc"]["n_contexts"] for index, row in rows_of(run).items()}
    assert n == {i: len(toy.store.frame(i, SPLITS if i == 3 else "score")) for i in (0, 1, 3)}
    assert "splits" not in stored(run, 0).details


def test_a_label_that_was_made_here_is_known_again_when_it_comes_back(chosen, toy, tmp_path):
    toy.label([0, 1], **LEXICAL)
    drain(chosen)
    toy.export(tmp_path / "out.csv", "csv")
    run = toy.score(tmp_path / "out.csv", simulators=["lexical"])
    drain(chosen)
    for row in rows_of(run).values():
        assert row["provenance"]["held_out"] is True
        assert row["scores"]["simulation.lexical"]["n_contexts"] == len(toy.store.frame(row["index"], "score"))


def test_a_judge_draws_from_all_of_them_too(chosen, toy):
    with ProviderThread(judge_by_words) as provider:
        run = toy.score(THEIRS, simulators=["lexical"], scorers=[f"openai:m@{provider.url}/v1"], foreign=2)
        drain(chosen)
    found = stored(run, 1, "detection")
    assert found.details["splits"] == list(SPLITS)
    assert set(toy.store.rows.split[np.array(found.details["contexts"])]) == {0, 1, 2}
    assert len(found.details["null"]) == 2


@pytest.fixture
def few(chosen):
    """A dictionary whose first feature fires in a handful of documents, and its settings."""
    make_store(chosen.home, rules=RULES)
    return api.Dictionary("toy", open_store(chosen.shelf, "toy"), chosen)


def test_a_handful_of_documents_is_scored_on_whole_where_there_was_nothing_to_choose(chosen, few):
    assert few.store.halves(0)
    run = few.score({0: "penny", 1: "march june"}, simulators=["lexical"])
    drain(chosen)
    row = rows_of(run)[0]
    assert row["scores"]["simulation.lexical"]["n_contexts"] == few.store.manifest.n_contexts
    assert row["scores"]["simulation.lexical"]["value"] > 0
    assert row["scores"]["variance_explained.lexical"]["value"] is not None
    assert row["controls"]["lookup"]["value"] > 0, "fitted on one half of the documents, scored on the other"


def test_of_several_for_a_handful_of_documents_one_is_chosen_on_a_half_and_scored_on_the_other(chosen, few):
    labels = {0: ["corn", '"penny"'], 1: "march june"}
    run = few.score(labels, simulators=["lexical"])
    drain(chosen)
    row, score = rows_of(run)[0], stored(run, 0)
    assert row["label"] == '"penny"'
    assert [other["label"] for other in row["alternatives"]] == ["corn"]
    assert score.sampling.endswith(BY_HALVES)
    assert score.value == pytest.approx(np.mean([fold["value"] for fold in score.details["folds"]]))
    assert row["provenance"]["held_out"] is None
    again = few.score(simulators=["lexical"], features=[0])
    drain(chosen)
    assert stored(again, 0).value == pytest.approx(score.value)


PROMOTES = {0: "promotes the names of months", 1: "the", 3: ["say 'penny'", "penny"]}


@pytest.mark.parametrize("scorers", [[], ["embedding_auc"]])
def test_a_label_of_what_is_promoted_is_not_scored_and_says_why(chosen, toy, scorers):
    run = toy.score(PROMOTES, simulators=["lexical"], scorers=scorers)
    assert run.record.config["output_side"] == 1
    drain(chosen)
    rows = rows_of(run)
    assert {index: row["side"] for index, row in rows.items()} == {0: "output", 1: "input", 3: "input"}
    assert (rows[3]["label"], rows[3]["alternatives"][0]["select"]) == ("penny", {})
    assert {row["state"] for row in rows.values()} == {"labelled"}
    assert rows[0]["controls"] == {}
    for key in ("simulation.lexical", *scorers):
        score = rows[0]["scores"][key]
        assert (score["state"], score["value"]) == ("unscored", None)
        assert score["reason"].startswith("it says what the feature promotes, not what makes it fire; ")
        assert rows[1]["scores"][key]["state"] != "unscored"
    (headline,) = toy.report().headlines
    assert (headline.states["unscored"], headline.score.n) == (1, 2)
    assert len(stored(run, 1).details["null"]) == 1, "what another feature promotes is no rival"


def test_a_label_that_is_not_scored_says_so_where_it_takes_the_place_of_one_that_is(chosen, toy):
    toy.label([0, 1], **LEXICAL)
    drain(chosen)
    run = toy.score(PROMOTES, simulators=["lexical"])
    drain(chosen)
    assert (
        displaced(run)
        == "not scored, in the place of a label that is: feature 0; labeler show toy 0 names the other one"
    )
    again = toy.score(PROMOTES, simulators=["lexical"])
    drain(chosen)
    assert displaced(again) == "", "it stood without a score before"


def test_it_is_scored_where_that_is_asked_for(chosen, toy):
    run = toy.score(PROMOTES, simulators=["lexical"], output_labels=True)
    drain(chosen)
    row = rows_of(run)[0]
    assert (row["side"], row["scores"]["simulation.lexical"]["n_contexts"]) == ("output", 1500)
    assert run.record.config["output_side"] == 0


MONTHS = {0: 'promotes "march" and "june"', 1: "the"}


@pytest.mark.parametrize("scoring", [{"simulators": ["lexical"]}, {"scorers": ["embedding_auc"]}])
def test_what_was_scored_because_it_was_asked_for_stands_when_it_is_scored_again_without(chosen, toy, scoring):
    first = toy.score(MONTHS, simulators=["lexical"], output_labels=True)
    drain(chosen)
    before = rows_of(first)[0]
    run = toy.score(**scoring)
    assert [run.record.config[name] for name in ("output_side", "output_before")] == [1, 1]
    drain(chosen)
    row = rows_of(run)[0]
    assert row["scores"]["simulation.lexical"] == before["scores"]["simulation.lexical"]
    assert row["controls"] == before["controls"]
    assert row["provenance"]["carried"] == dict.fromkeys(before["scores"], first.id)
    assert {row["scores"][key]["state"] for key in scoring.get("scorers", ())} <= {"unscored"}
    assert ("simulation.lexical" in rows_of(run)[1]["provenance"]["carried"]) is ("scorers" in scoring)


def test_beside_a_label_that_is_not_scored_nothing_is_told_of_a_look_up(chosen, toy):
    """Also where an older run had one for it, made beside another score."""
    toy.score(MONTHS, simulators=["lexical"], output_labels=True)
    drain(chosen)
    run = toy.score(simulators=["embedding"], features=[0])
    drain(chosen)
    row = rows_of(run)[0]
    assert (row["headline"], row["scores"][row["headline"]]["state"]) == ("simulation.embedding", "unscored")
    assert row["scores"]["simulation.lexical"]["value"] is not None
    assert row["controls"] == {}


def test_labels_from_elsewhere_say_how_many_stand_in_the_place_of_others(chosen, toy):
    toy.label([0, 3], **LEXICAL)
    drain(chosen)
    mine = toy[3].label.text
    assert toy.score({0: "spring", 1: "the", 3: mine.upper()}, simulators=["lexical"]).record.config["instead"] == 1
    assert toy.score(simulators=["lexical"]).record.config["instead"] == 0


def test_a_file_that_leaves_them_unscored_says_how_many_of_them_stood(chosen, toy):
    toy.score(MONTHS, simulators=["lexical"], output_labels=True)
    drain(chosen)
    again = toy.score({**MONTHS, 3: "promotes coins"}, simulators=["lexical"]).record.config
    assert (again["output_side"], again["output_before"], again["instead"]) == (2, 1, 0)


def test_of_a_label_that_was_made_here_nobody_asks_which_side_it_speaks_of(chosen, toy, monkeypatch):
    monkeypatch.setattr("labeler.catalogue.records.side_of", lambda label: "output")
    run = toy.label([0], **LEXICAL)
    drain(chosen)
    row = rows_of(run)[0]
    assert (row["side"], row["scores"]["simulation.lexical"]["state"]) == ("input", "ok")


def test_scored_again_as_it_stands_such_a_label_keeps_its_side(chosen, toy):
    toy.score({0: "promotes the names of months"}, simulators=["lexical"])
    drain(chosen)
    run = toy.score(scorers=["embedding_auc"])
    drain(chosen)
    row = rows_of(run)[0]
    assert {score["state"] for score in row["scores"].values()} == {"unscored"}


def test_of_evidence_that_nobody_counted_it_is_unscored_in_its_own_kind(chosen, tmp_path):
    save_toy_contexts(tmp_path / "theirs")
    theirs = api.import_evidence(tmp_path / "theirs", "theirs", home=chosen.home)
    theirs.score({0: "promotes the names of months"}, simulators=["lexical"], scorers=["embedding_auc"])
    drain(chosen)
    report = theirs.report()
    assert {headline.kind for headline in report.headlines} == {"top-and-random"}
    assert {mean.kind for mean in report.scores} == {"top-and-random"}
    assert all(mean.score.n == 0 for mean in report.scores)


def test_a_handful_of_documents_makes_no_difference_to_that(chosen, few):
    run = few.score({0: ["say 'penny'", "promotes coins"], 1: "march june"}, simulators=["lexical"])
    drain(chosen)
    assert rows_of(run)[0]["scores"]["simulation.lexical"]["state"] == "unscored"


def test_our_own_export_comes_back_as_the_label_that_stands_and_is_scored_by_halves_again(chosen, few, tmp_path):
    before = few.label([0, 1], **LEXICAL)
    drain(chosen)
    few.export(tmp_path / "out.csv", "csv")
    run = few.score(tmp_path / "out.csv", simulators=["lexical"])
    assert (run.record.config["made_here"], run.record.config["instead"]) == (2, 0)
    drain(chosen)
    for index, row in rows_of(run).items():
        old = rows_of(before)[index]
        assert row["scores"]["simulation.lexical"] == old["scores"]["simulation.lexical"]
        assert (row["provenance"]["held_out"], row["provenance"]["label_run"]) == (True, before.id)
    assert stored(run, 0).sampling.endswith(BY_HALVES)


def test_it_keeps_the_scores_that_are_not_made_anew(chosen, few, tmp_path):
    few.label([0], explainers=["lexical"], simulators=["lexical"], scorers=["embedding_auc"])
    drain(chosen)
    few.export(tmp_path / "out.jsonl", "jsonl")
    run = few.score(tmp_path / "out.jsonl", simulators=["lexical"])
    drain(chosen)
    assert list(rows_of(run)[0]["provenance"]["carried"]) == ["embedding_auc"]


def test_what_reads_as_an_explanation_that_was_not_chosen_is_a_label_from_elsewhere(chosen, few):
    made = few.label([0, 1], **LEXICAL)
    drain(chosen)
    labels = {index: row["label"] for index, row in rows_of(made).items()}
    others = {at: {one.label for one in made.candidates(at)} - {label} for at, label in labels.items()}
    assert any(others.values())
    run = few.score({at: min(found) for at, found in others.items() if found}, simulators=["lexical"])
    drain(chosen)
    for row in rows_of(run).values():
        assert row["scores"]["simulation.lexical"]["n_contexts"] == few.store.manifest.n_contexts
        assert row["provenance"]["held_out"] is None


def test_what_reads_as_the_label_that_stands_without_a_score_is_scored_on_all_contexts(chosen, few, monkeypatch):
    """Also where it was made here, and of neither half there was a label."""

    async def silent(bench, index, recorder, given, *, anew=False):
        if bench.store.whole is not bench.store:
            return LabelOutcome(state="unclear", reason="no explainer saw a clear pattern")
        return await labelled(bench, index, recorder, given, anew=anew)

    labelled = feature._labelled
    monkeypatch.setattr(feature, "_labelled", silent)
    made = few.label([0], **LEXICAL)
    drain(chosen)
    monkeypatch.setattr(feature, "_labelled", labelled)
    row = rows_of(made)[0]
    assert row["scores"]["simulation.lexical"]["state"] == "unscored"
    run = few.score({0: row["label"]}, simulators=["lexical"])
    assert run.record.config["made_here"] == 0
    assert displaced(run) == ""
    drain(chosen)
    assert rows_of(run)[0]["scores"]["simulation.lexical"]["n_contexts"] == few.store.manifest.n_contexts
