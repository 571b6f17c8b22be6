"""Outcomes that contradict themselves are refused before they reach the database."""

from __future__ import annotations

import pytest

from labeler.catalogue.records import CallRecord, CandidateRecord, LabelOutcome


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "failed"},
        {"state": "labelled"},
        {"state": "labelled", "chosen": 0},
        {"state": "labelled", "chosen": -1, "candidates": [CandidateRecord(label="a", explainer="lexical")]},
    ],
)
def test_a_contradictory_outcome_is_refused(fields):
    with pytest.raises(ValueError, match=r"needs|chosen"):
        LabelOutcome(**fields)


def test_every_call_has_an_id_of_its_own():
    calls = [CallRecord(run_id="r", index=0, stage="label", backend="b", outcome="ok") for _ in range(2)]

    assert calls[0].id != calls[1].id
