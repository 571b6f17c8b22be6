"""Label, then control, then done; and a run that ends when its features have."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from labeler.catalogue import Catalogue
from labeler.catalogue.records import (
    CandidateRecord,
    ControlOutcome,
    LabelOutcome,
    NewFeature,
    NewRun,
    ScoreRecord,
)
from tests.integration.catalogue.building import LEASE, Clock, failed, finish, labelled, new_run, work_off


def test_no_control_is_claimed_before_the_last_label_is_there(catalogue: Catalogue):
    # Given two features of three that are labelled, the third still held
    run_id = catalogue.create_run(new_run(3))
    claims = catalogue.claim(3, LEASE, 0.0)
    for claim in claims[:2]:
        finish(catalogue, claim)

    # Then their control has to wait, whatever happens to the lease
    assert not catalogue.claimable(0.0)
    assert catalogue.claim(9, LEASE, 0.0) == []
    [again] = catalogue.claim(9, LEASE, 60.0)
    assert (again.index, again.stage) == (2, "label")

    # When the third is labelled too, all three are up for control
    finish(catalogue, again)
    assert catalogue.claimable(60.0)
    controls = catalogue.claim(9, LEASE, 60.0)
    assert [(claim.index, claim.stage, claim.attempts) for claim in controls] == [
        (0, "control", 1),
        (1, "control", 1),
        (2, "control", 1),
    ]
    assert catalogue.progress(run_id).in_control == 3


def test_one_runs_labels_do_not_hold_up_anothers_control(catalogue: Catalogue, clock: Clock):
    first = catalogue.create_run(new_run(1))
    clock.now += 1
    catalogue.create_run(new_run(1))
    claims = catalogue.claim(1, LEASE, 0.0)
    finish(catalogue, claims[0])

    assert [(claim.run_id == first, claim.stage) for claim in catalogue.claim(9, LEASE, 0.0)] == [
        (True, "control"),
        (False, "label"),
    ]


def test_a_run_finishes_with_its_last_feature(catalogue: Catalogue, clock: Clock):
    run_id = catalogue.create_run(new_run(5))
    clock.now = 2_000.0

    assert work_off(catalogue, 0.0) == 10

    run = catalogue.run(run_id)
    assert (run.state, run.finished_at) == ("finished", 2_000.0)
    progress = catalogue.progress(run_id)
    assert (progress.total, progress.done, progress.by_state) == (5, 5, {"labelled": 5})


def test_failed_and_unscored_features_need_no_control(catalogue: Catalogue):
    run_id = catalogue.create_run(new_run(3))
    claims = catalogue.claim(3, LEASE, 0.0)
    catalogue.finish_label(claims[0], failed())
    catalogue.finish_label(claims[1], labelled(scored=False))
    assert catalogue.run(run_id).state == "running"
    catalogue.finish_label(claims[2], LabelOutcome(state="unclear", reason="no clear pattern"))

    assert catalogue.run(run_id).state == "finished"
    assert catalogue.progress(run_id).by_state == {"failed": 1, "labelled": 1, "unclear": 1}


def test_a_run_of_features_that_are_born_done_is_finished(catalogue: Catalogue):
    born_done = [
        NewFeature(index=0, statistics={}, state="dead", reason="never active"),
        NewFeature(index=1, statistics={}, state="skipped", reason="near duplicate of 0"),
    ]
    run_id = catalogue.create_run(NewRun(dictionary="sample", config={}, features=born_done))

    assert catalogue.run(run_id).state == "finished"
    assert not catalogue.claimable(0.0)
    assert catalogue.progress(run_id).first_finished_at is None


def test_born_done_features_are_not_claimed(catalogue: Catalogue):
    some = [
        NewFeature(index=0, statistics={}, state="dead", reason="never active"),
        NewFeature(index=7, statistics={}),
    ]
    run_id = catalogue.create_run(NewRun(dictionary="sample", config={}, features=some))

    [claim] = catalogue.claim(9, LEASE, 0.0)

    assert claim.index == 7
    assert catalogue.run(run_id).state == "running"


def test_finishing_twice_stores_once(catalogue: Catalogue):
    run_id = catalogue.create_run(new_run(1))
    [claim] = catalogue.claim(1, LEASE, 0.0)

    assert catalogue.finish_label(claim, labelled("first"))
    assert not catalogue.finish_label(claim, labelled("second"))
    assert [chosen.label for chosen in catalogue.labels(run_id)] == ["first"]

    [claim] = catalogue.claim(1, LEASE, 0.0)
    assert not catalogue.finish_label(claim, labelled("third"))
    assert catalogue.finish_control(claim, ControlOutcome(controls={"n": 1}))
    assert not catalogue.finish_control(claim, ControlOutcome(controls={"n": 2}))
    [row] = catalogue.rows("sample")
    assert row["controls"] == {"n": 1}


def test_control_adds_to_what_labelling_found(catalogue: Catalogue):
    # Given a label with two scores and one control
    run_id = catalogue.create_run(new_run(1))
    [claim] = catalogue.claim(1, LEASE, 0.0)
    embedding = ScoreRecord(key="simulation.embedding", state="ok", value=0.3, details={"by_stratum": [0.1]})
    detection = ScoreRecord(key="detection", state="undefined", value=float("nan"), reason="one class only")
    outcome = LabelOutcome(
        state="labelled",
        candidates=[CandidateRecord(label="slavery", explainer="lexical")],
        chosen=0,
        scores=[embedding, detection],
        controls={"others": {"value": 0.1}},
    )
    assert catalogue.finish_label(claim, outcome)

    # When control places one of the scores among those of other labels
    [claim] = catalogue.claim(1, LEASE, 0.0)
    placed = ScoreRecord(key="simulation.embedding", state="ok", value=0.3, null_percentile=99.5, null_mean=0.02)
    catalogue.finish_control(claim, ControlOutcome(scores=[placed], controls={"null": {"failed": "busy"}}))

    # Then that score is replaced, and the rest is as it was
    unplaced, replaced = catalogue.scores(run_id, 0)
    assert replaced == placed
    assert (unplaced.value, unplaced.state, unplaced.reason) == (None, "undefined", "one class only")
    [row] = catalogue.rows("sample")
    assert row["controls"] == {"others": {"value": 0.1}, "null": {"failed": "busy"}}


@pytest.mark.parametrize("scored", [False, True])
def test_a_run_finishes_however_the_last_finishers_interleave(catalogue: Catalogue, scored: bool):
    for _ in range(10):
        # Given the last two features of a run, in the same stage
        run_id = catalogue.create_run(new_run(2))
        claims = catalogue.claim(2, LEASE, 0.0, [run_id])
        if scored:
            for claim in claims:
                finish(catalogue, claim)
            claims = catalogue.claim(2, LEASE, 0.0, [run_id])
        barrier = Barrier(2)

        def end(place: int, claims=claims, barrier=barrier) -> bool:
            barrier.wait(timeout=60)
            if scored:
                return catalogue.finish_control(claims[place], ControlOutcome())
            return catalogue.finish_label(claims[place], labelled(scored=False))

        # When both are finished at once
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(end, range(2))) == [True, True]

        # Then somebody has noticed
        assert catalogue.run(run_id).state == "finished"


@pytest.mark.parametrize("look", ["claimable", "claim"])
def test_a_worker_killed_right_after_its_last_finish_leaves_no_run_open(catalogue: Catalogue, monkeypatch, look):
    run_id = catalogue.create_run(new_run(1))
    [claim] = catalogue.claim(1, LEASE, 0.0)
    with monkeypatch.context() as killed:
        killed.setattr(catalogue, "_close_run", lambda run_id: None)
        catalogue.finish_label(claim, failed())
    assert catalogue.run(run_id).state == "running"

    assert not (catalogue.claimable(0.0) if look == "claimable" else catalogue.claim(1, LEASE, 0.0))

    assert catalogue.run(run_id).state == "finished"
