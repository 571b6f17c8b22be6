"""Outcomes that contradict themselves are refused before they reach the database."""

from __future__ import annotations

import pytest

from labeler.catalogue.records import SETTLING, CallRecord, CandidateRecord, LabelOutcome, Progress, RunRecord, activity


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


def at_work(state="running", mode="direct"):
    return RunRecord(
        id="r",
        dictionary="d",
        state=state,
        created_at=1000.0,
        finished_at=None,
        config={"labelling": {"mode": mode}},
        n_features=1,
        budget_usd=None,
        committed_usd=0.0,
        reason=None,
        nulls=None,
    )


def how_far(held_until=None, pending=0):
    numbers = dict.fromkeys(Progress.__dataclass_fields__, 0)
    return Progress(**(numbers | {"by_state": {}, "failures": {}, "held_until": held_until, "pending": pending}))


def test_a_run_is_running_while_somebody_holds_some_of_it_and_then_is_not():
    run, held = at_work(), how_far(held_until=5000.0)
    for fleet, then in ((False, "stopped"), (True, "waiting")):
        assert activity(run, held, 4000.0, fleet=fleet) == "running"
        assert activity(run, held, 5000.0 + SETTLING, fleet=fleet) == "running"
        assert activity(run, held, 5001.0 + SETTLING, fleet=fleet) == then
        assert activity(run, how_far(), 5000.0, fleet=fleet) == then


def test_a_new_run_is_about_to_be_taken_up_by_its_own_command_and_in_a_fleet_by_who_comes():
    assert activity(at_work(), how_far(), 1001.0, fleet=False) == "running"
    assert activity(at_work(), how_far(), 1001.0, fleet=True) == "waiting"


def test_a_run_whose_answers_come_by_file_waits_for_them_and_has_else_stopped():
    assert activity(at_work(mode="offline"), how_far(pending=3), 9000.0, fleet=False) == "waiting"
    assert activity(at_work(mode="offline"), how_far(), 9000.0, fleet=False) == "stopped"
    assert activity(at_work(mode="batch"), how_far(pending=3), 9000.0, fleet=False) == "stopped"


@pytest.mark.parametrize("state", ["paused", "cancelled", "finished"])
@pytest.mark.parametrize("fleet", [True, False])
def test_a_run_that_is_not_to_run_is_what_it_is_called(state, fleet):
    assert activity(at_work(state), how_far(held_until=5000.0), 4000.0, fleet=fleet) == state
