"""The exported row, out of the database as it went in."""

from __future__ import annotations

import json

import pytest

from labeler.catalogue import Catalogue
from labeler.catalogue.export import write as export
from labeler.catalogue.records import (
    CallRecord,
    CandidateRecord,
    ControlOutcome,
    LabelOutcome,
    NewFeature,
    NewRun,
    ScoreRecord,
)
from labeler.errors import InputError
from tests.integration.catalogue.building import LEASE, Clock, failed, labelled, new_run, work_off

CONFIG = {
    "model": "smollm2-135m",
    "hook": "blocks.14.hook_resid_post",
    "headline": "simulation.sparse",
    "evidence": "5eed",
    "seed": 0,
    "labeler": "0.1.0",
    "budget": 1.0,
}


def test_the_exported_row_has_everything_that_was_stored(catalogue: Catalogue, tmp_path):
    # Given a feature with two candidates, two scores, a control and two calls
    feature = NewFeature(index=12, statistics={"density": 0.0031, "max_activation": 41.2}, near_duplicates=[7, 9])
    run_id = catalogue.create_run(NewRun(dictionary="sample", config=CONFIG, features=[feature]))
    [claim] = catalogue.claim(1, LEASE, 0.0)
    sparse = ScoreRecord(
        key="simulation.sparse",
        state="ok",
        value=0.62,
        low=0.51,
        high=0.71,
        n_contexts=80,
        uniform_equivalent_n=790,
        simulator="anthropic:claude-haiku-5-5",
        sampling="stratified",
        details={"seconds": float("inf"), "prompt": "sparse@bb"},
    )
    detection = ScoreRecord(key="detection", state="failed", reason="no answer", n_contexts=20)
    catalogue.finish_label(
        claim,
        LabelOutcome(
            state="labelled",
            candidates=[
                CandidateRecord(label="war", explainer="lexical", select={"simulation.sparse": float("nan")}),
                CandidateRecord(
                    label="slavery",
                    description="The history of slavery.",
                    confidence=0.8,
                    explainer="anthropic:claude-haiku-5-5",
                    prompt="few-shot@cc",
                    contexts=[3, 1, 4],
                    select={"simulation.sparse": 0.6},
                ),
            ],
            chosen=1,
            scores=[detection, sparse],
            controls={
                "lookup": {
                    "value": 0.55,
                    "low": 0.4,
                    "high": 0.6,
                    "of": "simulation.sparse",
                    "difference": {"value": 0.07, "low": 0.01, "high": 0.12},
                }
            },
        ),
    )
    [claim] = catalogue.claim(1, LEASE, 0.0)
    placed = ScoreRecord(**{**vars(sparse), "null_percentile": 99.5})
    catalogue.finish_control(claim, ControlOutcome(scores=[placed]))
    call = {"run_id": run_id, "index": 12, "stage": "label", "backend": "anthropic:claude-haiku-5-5"}
    catalogue.reserve(
        [
            CallRecord(**call, outcome="ok", input_tokens=1000, cached_tokens=900, output_tokens=50, usd=0.25),
            CallRecord(**call, outcome="ok", input_tokens=830, output_tokens=42, usd=0.5),
            CallRecord(**call, outcome="unknown", usd=9.0),
        ]
    )

    # When it is exported
    export(catalogue.rows("sample"), "jsonl", tmp_path / "out.jsonl")

    # Then the row is the one that is documented
    unplaced = {"low": None, "high": None, "uniform_equivalent_n": None, "simulator": None, "null_percentile": None}
    assert json.loads((tmp_path / "out.jsonl").read_text()) == {
        "dictionary": "sample",
        "model": "smollm2-135m",
        "hook": "blocks.14.hook_resid_post",
        "index": 12,
        "state": "labelled",
        "reason": None,
        "failure": None,
        "label": "slavery",
        "description": "The history of slavery.",
        "confidence": 0.8,
        "side": "input",
        "explainer": "anthropic:claude-haiku-5-5",
        "alternatives": [{"label": "war", "explainer": "lexical", "select": {"simulation.sparse": None}}],
        "headline": "simulation.sparse",
        "scores": {
            "simulation.sparse": {
                "value": 0.62,
                "low": 0.51,
                "high": 0.71,
                "n_contexts": 80,
                "uniform_equivalent_n": 790,
                "simulator": "anthropic:claude-haiku-5-5",
                "null_percentile": 99.5,
                "state": "ok",
                "reason": None,
                "sampling": "stratified",
            },
            "detection": {"value": None, "n_contexts": 20, "state": "failed", "reason": "no answer", "sampling": None}
            | unplaced,
        },
        "controls": {
            "lookup": {
                "value": 0.55,
                "low": 0.4,
                "high": 0.6,
                "difference": {"value": 0.07, "low": 0.01, "high": 0.12},
            },
            "beats_lookup": True,
            "against_lookup": "better",
        },
        "statistics": {"density": 0.0031, "max_activation": 41.2},
        "near_duplicates": [7, 9],
        "same_label": [],
        "imported": [],
        "cost": {"usd": 0.75, "input_tokens": 1830, "cached_tokens": 900, "output_tokens": 92, "calls": 2},
        "provenance": {
            "run": run_id,
            "label_run": run_id,
            "held_out": True,
            "carried": {},
            "prompts": {"explain": "few-shot@cc", "simulate": "sparse@bb"},
            "evidence": "5eed",
            "seed": 0,
            "labeler": "0.1.0",
        },
    }
    [row] = catalogue.rows("sample", run_id)
    assert list(row["scores"]) == ["simulation.sparse", "detection"]


def test_a_row_without_a_label_is_a_row_all_the_same(catalogue: Catalogue):
    some = [NewFeature(index=0, statistics={}, state="dead", reason="never active"), NewFeature(index=1, statistics={})]
    run_id = catalogue.create_run(NewRun(dictionary="sample", config={}, features=some))
    [claim] = catalogue.claim(1, LEASE, 0.0)
    catalogue.reserve([CallRecord(run_id=run_id, index=1, stage="label", backend="b", outcome="malformed")])
    catalogue.finish_label(claim, failed("two answers could not be read"))

    dead, lost = catalogue.rows("sample")

    assert (dead["state"], dead["reason"], dead["label"], dead["scores"]) == ("dead", "never active", None, {})
    assert dead["cost"]["usd"] == 0.0
    assert (lost["state"], lost["reason"]) == ("failed", "two answers could not be read")
    assert lost["cost"]["usd"] is None
    assert lost["cost"]["calls"] == 1
    assert list(dead) == list(lost)


def test_the_newest_run_in_which_a_feature_has_a_state_speaks_for_it(catalogue: Catalogue, clock: Clock):
    # Given an old run over three features, a newer one over one of them, and the newest that has not begun
    old = catalogue.create_run(new_run(3))
    work_off(catalogue, 0.0)
    clock.now += 1
    newer = catalogue.create_run(
        NewRun(dictionary="sample", config={}, features=[NewFeature(index=1, statistics={}, state="skipped")])
    )
    clock.now += 1
    newest = catalogue.create_run(new_run(3))
    other = catalogue.create_run(new_run(4, "other"))

    def runs_of(rows) -> list[tuple[int, str]]:
        return [(row["index"], row["provenance"]["run"]) for row in rows]

    assert runs_of(catalogue.rows("sample")) == [(0, old), (1, newer), (2, old)]
    assert runs_of(catalogue.rows("sample", old)) == [(0, old), (1, old), (2, old)]
    assert runs_of(catalogue.rows("sample", newest)) == []
    assert runs_of(catalogue.rows("sample", indices=[2, 1, 1, 99])) == [(1, newer), (2, old)]
    assert runs_of(catalogue.rows("sample", indices=[])) == []
    assert runs_of(catalogue.rows("nothing")) == []
    with pytest.raises(InputError, match="is of 'other', not of 'sample'"):
        catalogue.rows("sample", other)


def test_many_rows_come_in_index_order_without_holding_up_the_workers(catalogue: Catalogue, monkeypatch):
    # Given more rows than a page holds
    monkeypatch.setattr("labeler.catalogue.labels._PAGE", 100)
    monkeypatch.setattr("labeler.catalogue.rows.CHUNK", 60)
    indices = list(range(0, 900, 3))
    born_done = [NewFeature(index=index, statistics={}, state="skipped") for index in reversed(indices)]
    catalogue.create_run(NewRun(dictionary="sample", config={}, features=born_done))

    # When a worker writes in the middle of reading
    rows = catalogue.rows("sample")
    first = next(rows)
    catalogue.create_run(new_run(1, "other"))
    assert len(catalogue.claim(1, LEASE, 0.0)) == 1

    # Then every row comes once, in order
    assert [first["index"], *(row["index"] for row in rows)] == indices
    assert [row["index"] for row in catalogue.rows("sample", indices=range(900))] == indices


@pytest.mark.parametrize("label", ["a\0b", "\ud800", "'); DROP TABLE runs; --", "=1+1", "🗼\u2028", "%s %(x)s :x {x}"])
def test_hostile_labels_are_only_text(catalogue: Catalogue, label):
    run_id = catalogue.create_run(new_run(1, label))
    [claim] = catalogue.claim(1, LEASE, 0.0)
    assert catalogue.finish_label(claim, labelled(label))

    [row] = catalogue.rows(label)

    clean = label.replace("\0", "").replace("\ud800", "\ufffd")
    assert (row["label"], row["dictionary"]) == (clean, clean)
    assert [chosen.label for chosen in catalogue.labels(run_id)] == [clean]


def test_labels_are_those_that_were_chosen(catalogue: Catalogue):
    some = [NewFeature(index=index, statistics={}, near_duplicates=[index + 1]) for index in (3, 1, 2)]
    run_id = catalogue.create_run(NewRun(dictionary="sample", config={}, features=some))
    first, second, third = catalogue.claim(3, LEASE, 0.0)
    candidates = [CandidateRecord(label="war", explainer="a"), CandidateRecord(label="peace", explainer="b")]
    catalogue.finish_label(third, LabelOutcome(state="labelled", candidates=candidates, chosen=1))
    catalogue.finish_label(second, LabelOutcome(state="unclear", candidates=candidates, chosen=0))
    catalogue.finish_label(first, LabelOutcome(state="labelled", candidates=candidates, chosen=0))

    chosen = catalogue.labels(run_id)

    assert [(label.index, label.label, label.near_duplicates) for label in chosen] == [
        (1, "war", (2,)),
        (3, "peace", (4,)),
    ]


def test_a_later_failure_does_not_hide_a_label(catalogue: Catalogue):
    for state, reason in (("labelled", None), ("failed", "no key")):
        catalogue.create_run(NewRun(dictionary="sample", config=CONFIG, features=[NewFeature(index=1, statistics={})]))
        [claim] = catalogue.claim(1, LEASE, 0.0)
        candidates = [CandidateRecord(label="war", explainer="lexical")]
        chosen = 0 if state == "labelled" else None
        outcome = LabelOutcome(state=state, reason=reason, candidates=candidates, chosen=chosen)
        assert catalogue.finish_label(claim, outcome)
    [row] = catalogue.rows("sample")
    assert row["label"] == "war"
