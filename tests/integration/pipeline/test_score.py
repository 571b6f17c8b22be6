"""Labels that are there already, scored without explaining again; judges beside simulators; and what controls see."""

import asyncio
import csv
import itertools
import json

import pytest

from labeler import api
from labeler.catalogue.repository import Catalogue
from labeler.errors import InputError
from labeler.home import open_store
from labeler.pipeline.worker_loop import Drain
from labeler.settings import Settings
from tests.fakes.environment import clean
from tests.fakes.evidence import RULES, make_store, on
from tests.fakes.provider import ProviderThread, fail, judge_by_words

LEXICAL = {"explainers": ["lexical"], "simulators": ["lexical"]}


@pytest.fixture
def chosen(tmp_path, monkeypatch) -> Settings:
    clean(monkeypatch)
    monkeypatch.setattr("labeler.llm.calls.BASE_SECONDS", 0.01)
    make_store(tmp_path)
    return Settings(_env_file=None, home=tmp_path)


@pytest.fixture
def toy(chosen) -> api.Dictionary:
    return api.Dictionary("toy", open_store(chosen.shelf, "toy"), chosen)


def drain(chosen: Settings, until=lambda: False) -> int:
    catalogue = Catalogue(chosen.database)
    try:
        return asyncio.run(Drain(catalogue, chosen).run(until))
    finally:
        catalogue.close()


def rows_of(run) -> dict[int, dict]:
    return {row["index"]: row for row in run.rows()}


def test_the_catalogues_labels_are_scored_anew_and_nothing_that_stood_is_lost(chosen, toy):
    first = toy.label(**LEXICAL, scorers=["embedding_auc"])
    drain(chosen)
    before = {row["index"]: row for row in toy.catalogue()}

    run = toy.score(simulators=["lexical"], precision=0.0001)
    drain(chosen)

    assert run.record.config["without_label"] == 1, "the dead one"
    after = rows_of(run)
    assert sorted(after) == [0, 1, 2, 3]
    for index, row in after.items():
        for name in ("label", "description", "confidence", "explainer", "alternatives", "headline"):
            assert row[name] == before[index][name]
        made, stood = row["scores"]["simulation.lexical"], before[index]["scores"]["simulation.lexical"]
        assert (made["value"], made["null_percentile"]) == (stood["value"], stood["null_percentile"])
        assert (made["state"], stood["state"]) == ("imprecise", "ok")
        assert row["scores"]["embedding_auc"] == before[index]["scores"]["embedding_auc"]
        assert row["provenance"]["carried"] == {"embedding_auc": first.id}
        assert row["provenance"]["label_run"] == first.id
        assert row["controls"]["lookup"] == before[index]["controls"]["lookup"]


def test_with_a_scorer_alone_nothing_is_simulated_and_the_headline_stays(chosen, toy):
    toy.label([0, 3], **LEXICAL)
    drain(chosen)
    before = {row["index"]: row for row in toy.catalogue()}
    with ProviderThread(judge_by_words) as provider:
        run = toy.score(scorers=[f"openai:m@{provider.url}/v1"], contexts=20)
        drain(chosen)
    for index, row in rows_of(run).items():
        assert row["headline"] == "simulation.lexical"
        assert row["controls"] == before[index]["controls"]
        assert row["scores"]["simulation.lexical"] == before[index]["scores"]["simulation.lexical"]
        assert row["scores"]["detection"]["value"] == 1.0
        assert row["provenance"]["prompts"]["detection"].startswith("detection@")
        assert row["cost"]["calls"] > 0
    (stored,) = [score for score in run.scores(3) if score.key == "detection"]
    assert len(stored.details["truth"]) == len(stored.details["answers"]) == stored.n_contexts


def test_judges_stand_beside_simulators_in_a_run_that_labels(chosen, toy):
    with ProviderThread(judge_by_words) as provider:
        llm = f"openai:m@{provider.url}/v1"
        run = toy.label(**LEXICAL, scorers=[llm, f"intruder={llm}", "embedding_auc"], contexts=20, foreign=3)
        drain(chosen)
    for index, row in rows_of(run).items():
        if row["state"] == "dead":
            continue
        assert {"simulation.lexical", "detection", "intruder", "embedding_auc"} <= set(row["scores"])
        assert row["headline"] == "simulation.lexical"
        nulls = {score.key: score.details.get("null") for score in run.scores(index)}
        assert len(nulls["detection"]) == 3, "as many foreign labels as a paid one is tried with"
        assert len(nulls["embedding_auc"]) == 3, "all there are, for it costs nothing"
        assert nulls["intruder"] is None
        assert row["scores"]["intruder"]["null_percentile"] is not None
    detection = [row["scores"]["detection"] for row in rows_of(run).values() if row["state"] == "labelled"]
    assert all(score["null_percentile"] > 50 for score in detection), "read off the run's pooled null"


def test_a_paid_judge_is_tried_with_foreign_labels_on_the_null_sample_alone(chosen, toy, monkeypatch):
    monkeypatch.setattr("labeler.pipeline.config.FEATURES", 2)
    with ProviderThread(judge_by_words) as provider:
        run = toy.label(**LEXICAL, scorers=[f"openai:m@{provider.url}/v1"], contexts=10, foreign=3)
        drain(chosen)
    tried = {i for i in range(4) for score in run.scores(i) if score.key == "detection" and "null" in score.details}
    assert sorted(tried) == run.record.config["paid_null"]["features"]
    assert len(tried) == 2


def test_a_judge_that_fails_is_recorded_and_takes_no_label_with_it(chosen, toy):
    with ProviderThread(lambda asked: fail(400, "no such model")) as provider:
        run = toy.label([0, 3], **LEXICAL, scorers=[f"fuzzing=openai:m@{provider.url}/v1"])
        drain(chosen)
    for row in rows_of(run).values():
        assert row["state"] == "labelled"
        score = row["scores"]["fuzzing"]
        assert (score["state"], score["value"]) == ("failed", None)
        assert "no such model" in score["reason"]
        assert row["scores"]["simulation.lexical"]["state"] == "ok"
        assert "null" not in row["controls"], "what failed has no null to miss"


def test_a_simulator_beside_the_headline_that_fails_is_recorded_and_one_that_is_the_headline_fails_the_feature(
    chosen, toy
):
    with ProviderThread(lambda asked: fail(400, "no such model")) as provider:
        llm = f"openai:m@{provider.url}/v1"
        beside = toy.label([3], explainers=["lexical"], simulators=["lexical", llm])
        headline = toy.label([3], explainers=["lexical"], simulators=[llm, "lexical"])
        drain(chosen)
    row = rows_of(beside)[3]
    assert row["state"] == "labelled"
    assert row["scores"]["simulation.sparse"]["state"] == "failed"
    row = rows_of(headline)[3]
    assert row["state"] == "failed"
    assert "no such model" in row["reason"]


def test_for_a_label_without_its_headline_nothing_more_is_paid(chosen, toy):
    with ProviderThread(lambda asked: fail(400)) as broken, ProviderThread(judge_by_words) as judge:
        toy.label(
            [3],
            explainers=["lexical"],
            simulators=[f"openai:m@{broken.url}/v1"],
            scorers=[f"openai:m@{judge.url}/v1"],
        )
        drain(chosen)
        assert judge.provider.asked == []


def test_where_a_judge_is_the_headline_its_failing_fails_the_feature_which_can_be_tried_again(chosen, toy):
    mended: list[bool] = []

    def script(asked):
        return judge_by_words(asked) if mended else fail(400, "no such model")

    with ProviderThread(script) as provider:
        run = toy.score({3: "penny", 1: "the"}, scorers=[f"openai:m@{provider.url}/v1"], contexts=20)
        drain(chosen)
        assert {row["state"] for row in run.rows()} == {"failed"}
        mended.append(True)
        assert run.retry() == 2
        drain(chosen)
    row = rows_of(run)[3]
    assert (row["state"], row["label"], row["headline"]) == ("labelled", "penny", "detection")
    assert row["scores"]["detection"]["value"] == 1.0
    assert row["controls"]["lookup"]["value"] > 0.95
    assert row["controls"]["beats_lookup"] is None, "a share of right answers is no correlation"


def test_a_file_of_labels_is_scored_and_the_best_on_select_is_chosen(chosen, toy, tmp_path):
    path = tmp_path / "mine.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["index", "label"], [3, "corn and salt"], [3, "penny"], [1, "the"], [4, "dead"]])
    run = toy.score(path, simulators=["lexical"])
    path.unlink()  # a worker elsewhere has no such file
    drain(chosen)

    assert run.record.config["without_label"] == 2
    rows = rows_of(run)
    assert [(i, row["state"], row["label"]) for i, row in rows.items()] == [
        (1, "labelled", "the"),
        (3, "labelled", "penny"),
        (4, "dead", None),
    ]
    row = rows[3]
    assert row["explainer"] == "file:mine.csv"
    assert row["provenance"]["held_out"] is None
    assert row["scores"]["simulation.lexical"]["value"] > 0.95
    (other,) = row["alternatives"]
    assert other["label"] == "corn and salt"
    assert abs(other["select"]["simulation.lexical"]) < 0.2
    assert len(next(s for s in run.scores(3) if s.key == "simulation.lexical").details["null"]) == 1


def test_an_export_scored_again_gives_the_same_scores(chosen, toy, tmp_path):
    toy.label(**LEXICAL)
    drain(chosen)
    before = {row["index"]: row for row in toy.catalogue()}
    for format in ("jsonl", "csv"):
        toy.export(tmp_path / f"out.{format}", format)
        run = toy.score(tmp_path / f"out.{format}", simulators=["lexical"])
        drain(chosen)
        for index, row in rows_of(run).items():
            assert (row["label"], row["explainer"]) == (before[index]["label"], "lexical")
            assert row["scores"]["simulation.lexical"] == before[index]["scores"]["simulation.lexical"]


def test_neuronpedias_explanations_are_scored_under_the_name_of_their_model(chosen, toy, tmp_path):
    rows = [
        {
            "modelId": "toy",
            "layer": "0-toy",
            "index": str(i),
            "description": text,
            "explanationModelName": "gpt-4o-mini",
        }
        for i, text in ((0, "march, june"), (3, "penny"))
    ]
    path = tmp_path / "explanations/batch-0.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = toy.score(tmp_path, simulators=["lexical"])
    drain(chosen)
    assert {(i, row["explainer"], row["label"]) for i, row in rows_of(run).items()} == {
        (0, "gpt-4o-mini", "march, june"),
        (3, "gpt-4o-mini", "penny"),
    }


def test_scoring_that_is_stopped_goes_on_elsewhere_without_the_file(chosen, toy):
    run = toy.score({index: ["the", "penny", "march june"] for index in range(4)}, simulators=["lexical"])
    looks = itertools.chain([False], itertools.repeat(True))
    drain(chosen, until=lambda: next(looks))
    assert run.progress().leased == 0
    drain(chosen)
    assert run.record.state == "finished"
    assert {i: row["label"] for i, row in rows_of(run).items()} | {2: ""} == {
        0: "march june",
        1: "the",
        2: "",
        3: "penny",
    }


@pytest.mark.parametrize(
    ("labels", "options", "says"),
    [
        (None, {}, "no feature of 'toy' that was asked for has a label in the catalogue"),
        ({9: "war"}, {}, "feature 9 is out of range: 'toy' has features 0 to 4"),
        ({1: ""}, {}, r"has a label in labels; there is nothing at labels \(feature 1\)"),
        ({1: "war"}, {"features": [2]}, "has a label in labels"),
        ({1: "war"}, {"features": [7]}, "feature 7 is out of range"),
        ({1: "war"}, {"simulators": []}, "at least one simulator or scorer"),
        ({1: "war"}, {"scorers": ["embedding_auc", "embedding_auc"]}, "scorer 'embedding_auc' is given twice"),
        ({1: "war"}, {"scorers": ["magic"]}, "unknown scorer 'magic'"),
        ({1: "war"}, {"scorers": ["fuzzing"]}, "scorer 'fuzzing' needs a language model"),
        ({1: "war"}, {"scorers": ["anthropic:claude-haiku-5-5"]}, "ANTHROPIC_API_KEY"),
    ],
)
def test_what_cannot_be_scored_is_said_before_anything_is_stored(toy, labels, options, says):
    with pytest.raises(InputError, match=says):
        toy.score(labels, **options)
    assert toy.runs() == []


def test_a_cluster_of_near_duplicates_inflates_no_null(tmp_path, monkeypatch):
    """Forty features fire on the same word, and their labels say so in forty ways; four others on words of their own."""
    clean(monkeypatch)
    same = [on("the", strength=4.0 + 0.01 * i) for i in range(40)]
    others = [RULES[0], on("river", "ships"), on("penny"), on("castle")]
    make_store(tmp_path, rules=[*same, *others])
    chosen = Settings(_env_file=None, home=tmp_path)
    toy = api.Dictionary("toy", open_store(chosen.shelf, "toy"), chosen)
    assert len(toy.store.near_duplicates(0)) == 39
    labels = {i: f'the word "the", way {i}' for i in range(40)}
    labels |= {40: '"march" "june"', 41: '"river" "ships"', 42: '"penny"', 43: '"castle"'}

    run = toy.score(labels, simulators=["lexical"])
    drain(chosen)

    means = {}
    for index in range(44):
        (score,) = [s for s in run.scores(index) if s.key == "simulation.lexical"]
        assert score.value > 0.9
        means[index] = score.null_mean
        # A member meets the four others; each of those meets one of the cluster and the three that are left.
        assert len(score.details["null"]) == 4
    assert max(means.values()) < 0.02
    assert len(next(toy.catalogue([5]))["near_duplicates"]) == 39
