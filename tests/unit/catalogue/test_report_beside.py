"""What is told of a label and the look-up of tokens."""

import pytest

from labeler.catalogue.report import controls
from labeler.metrics import ONE_HALF, TOO_FEW

KEY = "simulation.sparse"


def score(value=0.6, low=0.5, high=0.7, state="ok", reason=None):
    return {"value": value, "low": low, "high": high, "state": state, "reason": reason}


def stored(low, high, of=KEY):
    return {
        "lookup": {
            "value": 0.5, "low": 0.4, "high": 0.6, "of": of,
            "difference": None if low is None else {"value": (low + high) / 2, "low": low, "high": high},
        }
    }  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "against", "beats"),
    [
        (0.01, 0.3, "better", True),
        (-0.1, 0.3, "alike", False),
        (0.0, 0.0, "alike", False),
        (-0.3, -0.1, "worse", False),
        (None, None, None, None),
    ],
)
def test_the_interval_of_the_difference_decides(low, high, against, beats):
    found = controls(stored(low, high), KEY, score())
    assert (found["against_lookup"], found["beats_lookup"]) == (against, beats)
    assert found["lookup"]["low"] == 0.4


def test_of_what_was_stored_before_there_was_a_difference_both_intervals_decide():
    """And no longer what was stored of who beats whom, by the numbers alone."""
    old = {"lookup": {"value": 0.5, "low": 0.45, "high": 0.55}, "beats_lookup": True}
    assert controls(old, KEY, score(0.52, 0.4, 0.6))["against_lookup"] == "alike"
    assert controls(old, KEY, score(0.9, 0.85, 0.95))["against_lookup"] == "better"
    assert controls(old, KEY, score(0.1, 0.0, 0.2))["against_lookup"] == "worse"
    assert controls(old, KEY, score(0.9, None, None))["against_lookup"] is None
    assert controls(old, "detection", score(0.9, 0.85, 0.95))["against_lookup"] is None


def test_a_handful_of_contexts_decides_nothing():
    few = score(state="imprecise", reason=f"{TOO_FEW}: 5 that fire and 9 that do not")
    assert controls(stored(0.1, 0.2), KEY, few)["against_lookup"] is None
    half = score(state="imprecise", reason=f"{ONE_HALF}; of the other: no explainer saw a clear pattern")
    assert controls(stored(0.1, 0.2), KEY, half)["against_lookup"] == "better"


@pytest.mark.parametrize("state", ["unscored", "failed"])
def test_beside_a_label_that_was_not_scored_there_is_no_look_up(state):
    """What stood beside an earlier score is none of its own."""
    beside = {**stored(0.1, 0.2), "null": {"failed": "busy"}}
    assert controls(beside, KEY, score(None, None, None, state)) == {"null": {"failed": "busy"}}
    assert "lookup" in controls(beside, KEY, score(None, None, None, "undefined"))
    assert controls(beside, KEY, None) == {"null": {"failed": "busy"}}


def test_a_look_up_beside_another_score_is_not_told_beside_this_one():
    assert controls(stored(0.1, 0.2, of="simulation.lexical"), KEY, score()) == {}


def test_without_controls_there_are_none():
    assert controls(None, KEY, score()) == {}
