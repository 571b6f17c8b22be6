"""Labels that stand, taken over by another run; and near-duplicates that share theirs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from labeler.catalogue import Catalogue, migrations
from labeler.catalogue.database import open_engine
from labeler.catalogue.labels import Sharing
from labeler.catalogue.records import (
    CandidateRecord,
    ControlOutcome,
    LabelOutcome,
    NewFeature,
    NewRun,
    ScoreRecord,
    Standing,
)
from tests.integration.catalogue.building import LEASE, Clock, failed, features, labelled

CANDIDATES = [
    CandidateRecord(label="war", explainer="lexical", select={"simulation.embedding": 0.1}, contexts=[1]),
    CandidateRecord(
        label="slavery", description="Of old.", explainer="anthropic:m", prompt="explain@aa", contexts=[3, 4]
    ),
    CandidateRecord(label="peace", explainer="lexical", contexts=[5]),
]
EMBEDDING = ScoreRecord(
    key="simulation.embedding",
    state="ok",
    value=0.3,
    low=0.2,
    high=0.4,
    details={"contexts": [7], "null": [0.1, 0.2] * 5},
)
DETECTION = ScoreRecord(
    key="detection", state="ok", value=0.8, null_percentile=91.0, details={"prompt": "detection@bb"}
)
CONTROLS = {"lookup": {"value": 0.2, "low": 0.1, "high": 0.3}, "null": {"failed": "busy"}}


def label_all(catalogue: Catalogue, n: int = 1, **config) -> str:
    """A finished run over n features, with three candidates each and two scores."""
    features = [NewFeature(index=i, statistics={}) for i in range(n)]
    config = {"headline": "simulation.embedding", "null_sample": list(range(n)), **config}
    run_id = catalogue.create_run(NewRun(dictionary="sample", config=config, features=features))
    for claim in catalogue.claim(n, LEASE, 0.0, [run_id]):
        outcome = LabelOutcome(
            state="labelled", candidates=CANDIDATES, chosen=1, scores=[EMBEDDING, DETECTION], controls=CONTROLS
        )
        assert catalogue.finish_label(claim, outcome)
    for claim in catalogue.claim(n, LEASE, 0.0, [run_id]):
        assert catalogue.finish_control(claim, ControlOutcome())
    return run_id


def again(catalogue: Catalogue, clock: Clock, indices=None, headline: str | None = "simulation.embedding") -> str:
    """A newer run that takes the standing labels over."""
    clock.now += 1
    taken = list(catalogue.standing("sample", indices))
    features = [NewFeature(index=one.index, statistics={}, standing=one, headline=headline) for one in taken]
    return catalogue.create_run(NewRun(dictionary="sample", config={"headline": "fuzzing"}, features=features))


def test_what_stood_in_a_row_stays_when_a_new_score_comes_to_it(catalogue: Catalogue, clock: Clock):
    # Given a label with alternatives, scores and controls, taken over by a run that adds a score
    old = label_all(catalogue)
    [before] = catalogue.rows("sample")
    new = again(catalogue, clock)
    [same] = catalogue.rows("sample")
    assert same == before, "the old row stands until the new one is there"

    # When the new run has scored it, as the worker finds it
    [claim] = catalogue.claim(1, LEASE, 0.0, [new])
    given = catalogue.candidates(new, 0)
    assert [candidate.label for candidate in given] == ["slavery", "war", "peace"]
    fuzzing = ScoreRecord(key="fuzzing", state="ok", value=0.7)
    assert catalogue.finish_label(claim, LabelOutcome(state="labelled", candidates=given, chosen=0, scores=[fuzzing]))

    # Then everything is there, and says where it comes from
    [row] = catalogue.rows("sample")
    kept = ("label", "description", "explainer", "alternatives", "headline", "state")
    assert {name: row[name] for name in kept} == {name: before[name] for name in kept}
    assert list(row["scores"]) == ["simulation.embedding", "detection", "fuzzing"]
    assert row["scores"]["simulation.embedding"] == before["scores"]["simulation.embedding"]
    assert row["scores"]["simulation.embedding"]["null_percentile"] == 100.0, "its place in the old run's pooled null"
    assert row["scores"]["detection"]["null_percentile"] == 91.0
    assert row["controls"]["lookup"] == before["controls"]["lookup"]
    assert "null" not in row["controls"]
    about = row["provenance"]
    assert (about["run"], about["label_run"], about["held_out"]) == (new, old, True)
    assert about["carried"] == {"simulation.embedding": old, "detection": old}
    assert about["prompts"] == {"explain": "explain@aa", "detection": "detection@bb"}
    by_key = {score.key: score for score in catalogue.scores(new, 0)}
    assert by_key["simulation.embedding"].details == {**EMBEDDING.details, "run": old}
    assert [candidate.contexts for candidate in catalogue.candidates(new, 0)] == [[3, 4], [1], [5]]


def test_a_score_made_anew_takes_the_place_of_the_one_that_was_carried(catalogue: Catalogue, clock: Clock):
    label_all(catalogue)
    new = again(catalogue, clock)
    [claim] = catalogue.claim(1, LEASE, 0.0, [new])
    made = dataclasses.replace(DETECTION, value=0.6, null_percentile=None, details={})
    catalogue.finish_label(claim, LabelOutcome(state="labelled", candidates=CANDIDATES, chosen=1, scores=[made]))
    [row] = catalogue.rows("sample")
    assert row["scores"]["detection"]["value"] == 0.6
    assert list(row["provenance"]["carried"]) == ["simulation.embedding"]


def test_a_label_taken_over_twice_still_names_the_run_that_made_it(catalogue: Catalogue, clock: Clock):
    old = label_all(catalogue)
    for _ in range(2):
        new = again(catalogue, clock)
        [claim] = catalogue.claim(1, LEASE, 0.0, [new])
        given = catalogue.candidates(new, 0)
        catalogue.finish_label(claim, LabelOutcome(state="labelled", candidates=given, chosen=0))
    [row] = catalogue.rows("sample", new)
    assert row["provenance"]["label_run"] == old
    assert set(row["provenance"]["carried"].values()) == {old}
    assert [other["label"] for other in row["alternatives"]] == ["war", "peace"]


@pytest.mark.parametrize(("splits", "held_out"), [("dealt", None), ("document", True)])
def test_a_label_that_was_made_on_other_evidence_is_not_said_to_be_held_out_where_documents_were_dealt_anew(
    catalogue: Catalogue, clock: Clock, splits: str, held_out: bool | None
):
    label_all(catalogue)
    taken = list(catalogue.standing("sample", None))
    features = [NewFeature(index=one.index, statistics={}, standing=one, headline="fuzzing") for one in taken]
    config = {"headline": "fuzzing", "evidence": "more of it", "splits": splits}
    new = catalogue.create_run(NewRun(dictionary="sample", config=config, features=features))
    [claim] = catalogue.claim(1, LEASE, 0.0, [new])
    given = catalogue.candidates(new, 0)
    catalogue.finish_label(claim, LabelOutcome(state="labelled", candidates=given, chosen=0))
    [row] = catalogue.rows("sample", new)
    assert row["provenance"]["held_out"] is held_out


def test_what_was_carried_is_in_no_null_of_the_new_run(catalogue: Catalogue, clock: Clock):
    label_all(catalogue)
    new = again(catalogue, clock)
    [claim] = catalogue.claim(1, LEASE, 0.0, [new])
    catalogue.finish_label(claim, LabelOutcome(state="labelled", candidates=CANDIDATES, chosen=1))
    run = catalogue.run(new)
    assert (run.state, run.nulls) == ("finished", {})


def test_a_failed_score_can_be_tried_again_with_the_label_it_was_given(catalogue: Catalogue, clock: Clock):
    old = label_all(catalogue)
    new = again(catalogue, clock)
    [claim] = catalogue.claim(1, LEASE, 0.0, [new])
    catalogue.finish_label(claim, failed("busy"))
    [row] = catalogue.rows("sample")
    assert row["provenance"]["run"] == old, "a failure does not hide the label that stands"

    assert catalogue.retry(new) == 1

    [claim] = catalogue.claim(1, LEASE, 0.0, [new])
    given = catalogue.candidates(new, 0)
    assert [candidate.label for candidate in given] == ["slavery", "war", "peace"]
    catalogue.finish_label(claim, LabelOutcome(state="labelled", candidates=given, chosen=0))
    [row] = catalogue.rows("sample", new)
    assert set(row["scores"]) == {"simulation.embedding", "detection"}


def test_only_labels_stand_those_of_the_newest_run_that_speaks(catalogue: Catalogue, clock: Clock, monkeypatch):
    monkeypatch.setattr("labeler.catalogue.labels.CHUNK", 2)
    old = label_all(catalogue, n=5)
    clock.now += 1
    newer = catalogue.create_run(
        NewRun(
            dictionary="sample",
            config={"headline": "simulation.lexical"},
            features=[NewFeature(index=i, statistics={}) for i in (1, 2, 3)],
        )
    )
    for claim, outcome in zip(
        catalogue.claim(3, LEASE, 0.0, [newer]),
        (labelled("a"), LabelOutcome(state="unclear", reason="nothing"), failed()),
        strict=True,
    ):
        catalogue.finish_label(claim, outcome)

    def standing(index, run_id, headline="simulation.embedding", said=("slavery", "Of old.")):
        return Standing(index=index, run_id=run_id, headline=headline, label=said[0], description=said[1])

    new = standing(1, newer, "simulation.lexical", ("a", ""))
    expected = [standing(0, old), new, standing(3, old), standing(4, old)]
    assert list(catalogue.standing("sample")) == expected
    assert list(catalogue.standing("sample", [4, 1, 2])) == [expected[1], expected[3]]
    assert list(catalogue.standing("nothing")) == []


def test_headline_scores_are_those_of_the_labels_that_stand(catalogue: Catalogue, clock: Clock):
    older = label_all(catalogue, 3)
    clock.now += 1
    newer = catalogue.create_run(NewRun(dictionary="sample", config={"headline": "detection"}, features=features(2)))
    values = {0: 0.75, 1: None}
    for claim in catalogue.claim(9, LEASE, clock.now, [newer]):
        found = ScoreRecord(key="detection", state="ok", value=values[claim.index])
        other = ScoreRecord(key="fuzzing", state="ok", value=1.0)
        catalogue.finish_label(claim, dataclasses.replace(labelled(), scores=[found, other]))

    assert dict(catalogue.headlines("sample", older)) == dict.fromkeys(range(3), 0.3)
    assert list(catalogue.headlines("sample", newer)) == [(0, 0.75)]
    assert list(catalogue.headlines("sample")) == [(0, 0.75), (2, 0.3)]


def test_labels_from_elsewhere_are_there_before_anybody_works_and_nobody_knows_what_made_them(catalogue: Catalogue):
    candidates = [CandidateRecord(label=text, explainer="file:x.csv", contexts=None) for text in ("war", "peace")]
    feature = NewFeature(index=3, statistics={}, given=candidates)
    run_id = catalogue.create_run(NewRun(dictionary="sample", config={}, features=[feature]))
    assert catalogue.candidates(run_id, 3) == candidates

    [claim] = catalogue.claim(1, LEASE, 0.0)
    catalogue.finish_label(claim, LabelOutcome(state="labelled", candidates=candidates, chosen=1))

    [row] = catalogue.rows("sample")
    assert (row["label"], row["explainer"], row["provenance"]["held_out"]) == ("peace", "file:x.csv", None)
    assert row["provenance"]["label_run"] == run_id
    assert [candidate.contexts for candidate in catalogue.candidates(run_id, 3)] == [None, None]


def near(n: int, members: list[int]) -> list[NewFeature]:
    """n features, some of them near-duplicates of one another."""
    group = {i: [other for other in members if other != i] if i in members else [] for i in range(n)}
    return [NewFeature(index=i, statistics={}, near_duplicates=group[i]) for i in range(n)]


def give(catalogue: Catalogue, run_id: str, texts: dict[int, str]) -> None:
    """Labels for the features of a run."""
    for claim in catalogue.claim(10_000, LEASE, 0.0, [run_id]):
        catalogue.finish_label(claim, labelled(texts[claim.index], scored=False))


def test_near_duplicates_with_the_same_label_are_listed(catalogue: Catalogue, clock: Clock):
    run_id = catalogue.create_run(NewRun(dictionary="sample", config={}, features=near(6, [0, 1, 2, 4])))
    give(catalogue, run_id, {0: "War", 1: " war", 2: "peace", 3: "war", 4: "WAR", 5: "war"})
    assert [row["same_label"] for row in catalogue.rows("sample")] == [[1, 4], [0, 4], [], [], [0, 1], []]
    assert next(catalogue.rows("sample", indices=[1]))["same_label"] == [0, 4], "of one feature alone too"

    # A newer run that speaks for one of them counts in the catalogue, and not in the rows of the old run
    clock.now += 1
    newer = catalogue.create_run(NewRun(dictionary="sample", config={}, features=near(6, [0, 1, 2, 4])[4:5]))
    give(catalogue, newer, {4: "slavery"})
    assert [row["same_label"] for row in catalogue.rows("sample")] == [[1], [0], [], [], [], []]
    assert next(catalogue.rows("sample", run_id))["same_label"] == [1, 4]


def test_a_large_group_is_read_once_however_many_list_it(catalogue: Catalogue, monkeypatch):
    n = 300
    monkeypatch.setattr("labeler.catalogue.rows.CHUNK", 10)
    run_id = catalogue.create_run(NewRun(dictionary="sample", config={}, features=near(n, list(range(0, n, 2)))))
    give(catalogue, run_id, {i: "war" if i % 4 == 0 else "peace" for i in range(n)})
    asked: list[int] = []
    look = Sharing.look

    def counted(self, connection, wanted):
        before = len(self._readings)
        look(self, connection, wanted)
        asked.append(len(self._readings) - before)

    monkeypatch.setattr(Sharing, "look", counted)
    rows = list(catalogue.rows("sample"))
    assert [len(row["same_label"]) for row in rows[:6]] == [74, 0, 74, 0, 74, 0]
    assert sum(asked) == n // 2


def test_a_catalogue_of_the_first_schema_is_brought_to_this_one_with_all_that_is_in_it(catalogue_url: str):
    engine = open_engine(catalogue_url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in (
            "INSERT INTO runs (id, dictionary, state, created_at, config, n_features) "
            "VALUES ('abc', 'sample', 'finished', 1.0, '{\"headline\": \"simulation.lexical\"}', 1)",
            'INSERT INTO run_features (run_id, "index", stage, state, not_before, attempts, chosen, statistics, '
            "near_duplicates) VALUES ('abc', 3, 'done', 'labelled', 0.0, 1, 0, '{}', '[]')",
            'INSERT INTO candidates (run_id, "index", position, label, description, explainer, contexts, "select") '
            "VALUES ('abc', 3, 0, 'war', '', 'lexical', '[1, 2]', '{}')",
        ):
            connection.execute(sa.text(statement.replace(":", r"\:")))
    engine.dispose()

    catalogue = Catalogue(catalogue_url)
    [row] = catalogue.rows("sample")
    assert (row["label"], row["headline"]) == ("war", "simulation.lexical")
    assert (row["provenance"]["label_run"], row["provenance"]["held_out"]) == ("abc", True)
    [candidate] = catalogue.candidates("abc", 3)
    assert list(candidate.contexts) == [1, 2]
    assert len(list(catalogue.standing("sample"))) == 1
    catalogue.close()


def test_of_explanations_that_read_alike_an_exported_row_has_one_and_none_that_reads_as_the_label(catalogue: Catalogue):
    texts = ["war", "Peace", "war ", "peace", "", "PEACE", ""]
    said = [dataclasses.replace(CANDIDATES[0], label=text) for text in texts]
    for chosen, others in ((0, ["Peace", ""]), (1, ["war", ""]), (4, ["war", "Peace"])):
        new = catalogue.create_run(
            NewRun(dictionary="sample", config={}, features=[NewFeature(index=0, statistics={})])
        )
        [claim] = catalogue.claim(1, LEASE, 0.0, [new])
        catalogue.finish_label(claim, LabelOutcome(state="labelled", candidates=said, chosen=chosen))
        [row] = catalogue.rows("sample", new)
        assert [other["label"] for other in row["alternatives"]] == others
