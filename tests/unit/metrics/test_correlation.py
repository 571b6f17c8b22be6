"""The headline score: known answers, properties, states."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.metrics import (
    QUIET,
    SURE,
    TOO_FEW,
    Estimate,
    doubt,
    left_out,
    moments,
    pearson,
    simulation,
    simulation_top_and_random,
)
from tests.unit.metrics.corpora import corpora, corpus

FEW = settings(max_examples=25, deadline=None)


def close(a, b):
    """Whether two estimates agree but for rounding."""
    one, other = dataclasses.asdict(a), dataclasses.asdict(b)
    texts = ("state", "reason")
    assert all(one.pop(key) == other.pop(key) for key in texts)
    assert {key for key, x in one.items() if x is None} == {key for key, x in other.items() if x is None}
    for key, x in one.items():
        if x is not None:
            assert other[key] == pytest.approx(x, rel=1e-5, abs=1e-6), key


def test_a_perfect_prediction_scores_one_and_its_negative_minus_one():
    of = corpus(weight=1.0)
    for sign in (1, -1):
        estimate = simulation(of.truth, sign * of.truth, of.lengths, of.weight, of.stratum)
        assert estimate.value == pytest.approx(sign)
        assert estimate.low == pytest.approx(sign, abs=0.02)  # one more that is missed may hide
        assert estimate.high == pytest.approx(sign, abs=0.02)
        assert estimate.uniform_equivalent_n is None


@FEW
@given(corpora())
def test_the_value_is_the_correlation_of_all_tokens_as_often_as_their_context_weighs(of):
    estimate = simulation(*of)
    rows = np.repeat(np.arange(len(of.weight)), of.weight.astype(int))
    expected = pearson(moments(of.truth[rows], of.prediction[rows], of.lengths[rows]).sum(0))
    assert (estimate.value is None) == np.isnan(expected)
    if estimate.value is not None:
        assert estimate.value == pytest.approx(expected, abs=1e-9)


@FEW
@given(corpora())
def test_what_is_reported_hangs_together(of):
    estimate = simulation(*of)
    assert estimate.n_contexts == len(of.weight)
    if estimate.value is None:
        assert estimate.state == "undefined"
    else:
        assert -1 <= estimate.low <= estimate.value <= estimate.high <= 1
        firing = int((of.stratum > 0).sum())
        sure = firing >= SURE and len(of.weight) - firing >= QUIET
        assert (estimate.state == "ok") == (sure and (estimate.high - estimate.low) / 2 <= 0.15)
        assert estimate.uniform_equivalent_n is None or estimate.uniform_equivalent_n > 0


@FEW
@given(corpora(), st.floats(0.01, 100), st.floats(-10, 10))
def test_the_scale_and_offset_of_a_prediction_do_not_matter(of, scale, offset):
    close(simulation(*of), simulation(of.truth, of.prediction * scale + offset, of.lengths, of.weight, of.stratum))


@FEW
@given(corpora(), st.integers(0, 99))
def test_the_order_of_contexts_does_not_matter(of, seed):
    shuffled = of.take(np.random.default_rng(seed).permutation(len(of.weight)))
    assert simulation(*of) == simulation(*shuffled)


@FEW
@given(corpora(), st.sampled_from([np.nan, np.inf, 7.5]))
def test_padding_never_matters(of, garbage):
    wide = [np.pad(side, ((0, 0), (0, 3))) for side in (of.truth, of.prediction)]
    behind = np.arange(wide[0].shape[1]) >= of.lengths[:, None]
    for side in wide:
        side[behind] = garbage
    assert simulation(*wide, of.lengths, of.weight, of.stratum) == simulation(*of)


def test_tiny_predictions_keep_their_score():
    of = corpus(noise=0.1)
    tiny = simulation(of.truth, of.prediction * 1e-200, of.lengths, of.weight, of.stratum)
    close(simulation(*of), tiny)


@pytest.mark.parametrize("side", ["truth", "prediction"])
@pytest.mark.parametrize("constant", [0.0, 0.1, 5.0])
def test_a_constant_side_is_undefined_and_says_which(side, constant):
    of = corpus()
    estimate = simulation(*dataclasses.replace(of, **{side: np.full_like(of.truth, constant)}))
    assert (estimate.state, estimate.value, estimate.low) == ("undefined", None, None)
    assert {"truth": "true", "prediction": "predicted"}[side] in estimate.reason


def test_no_contexts_are_undefined():
    assert simulation(*corpus().take(np.array([], dtype=int))).state == "undefined"


def test_one_firing_context_gives_a_value_and_no_confidence():
    of = corpus(n=60)
    one = of.take(np.r_[0, np.flatnonzero(of.stratum == 0)])
    perfect = dataclasses.replace(one, prediction=one.truth)
    estimate = simulation(*perfect)
    assert estimate.value == pytest.approx(1)
    assert (estimate.low, estimate.high, estimate.state) == (-1, 1, "imprecise")
    assert "1 that fire" in estimate.reason


def test_a_handful_that_is_all_hit_or_all_missed_is_not_taken_for_certain():
    of = corpus(n=400, firing=0.5)
    silent = np.flatnonzero(of.stratum == 0)[:10]
    for n in (2, 3, 5, 10):
        few = of.take(np.r_[np.flatnonzero(of.stratum > 0)[:n], silent])
        perfect = simulation(*dataclasses.replace(few, prediction=few.truth))
        assert perfect.value == pytest.approx(1)
        assert perfect.low < 1 - 1 / (n + 3)
        assert perfect.state == "imprecise"
        assert perfect.reason.startswith(TOO_FEW)
        blind = np.zeros_like(few.truth)
        blind[-1, 0] = 1.0  # one alarm, and no hit
        assert simulation(*dataclasses.replace(few, prediction=blind)).high > 1 / (n + 3)


@pytest.mark.parametrize(
    ("firing", "silent", "drawn", "says"),
    [
        (11, 50, False, TOO_FEW),
        (12, 4, True, "4 contexts at hand are silent"),
        (12, 5, True, None),
        (59, 50, False, "59 contexts fire"),
        (60, 5, False, None),
    ],
)
def test_a_narrow_interval_is_believed_where_enough_contexts_fire_and_enough_do_not(firing, silent, drawn, says):
    found = doubt(firing, silent, drawn)
    assert found is None if says is None else found.startswith(says)


def test_an_interval_that_is_wider_than_asked_is_imprecise():
    of = corpus(n=200)
    estimate = simulation(*of)
    half = (estimate.high - estimate.low) / 2
    assert simulation(*of, precision=half + 1e-9).state == "ok"
    narrower = simulation(*of, precision=half - 1e-9)
    assert narrower.state == "imprecise"
    assert "width" in narrower.reason
    assert narrower.value == estimate.value


def test_the_seed_decides_on_the_interval_and_not_on_the_value():
    of = corpus(n=200)
    assert simulation(*of, seed=3) == simulation(*of, seed=3)
    assert simulation(*of, seed=3).value == simulation(*of, seed=4).value
    assert simulation(*of, seed=3).low != simulation(*of, seed=4).low


@pytest.mark.parametrize("weight", [0.0, -1.0, np.nan, np.inf])
def test_weights_have_to_be_positive(weight):
    of = corpus(n=20)
    of.weight[3] = weight
    with pytest.raises(ValueError, match="weight"):
        simulation(*of)


def test_numbers_that_are_not_finite_and_shapes_that_disagree_are_refused():
    of = corpus(n=20)
    with pytest.raises(ValueError, match="must be"):
        simulation(*dataclasses.replace(of, prediction=of.prediction[:, :-1]))
    with pytest.raises(ValueError, match="must be"):
        simulation(*dataclasses.replace(of, weight=of.weight[:-1]))
    of.prediction[0, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        simulation(*of)


def test_top_and_random_is_the_plain_correlation_of_the_rows():
    of = corpus(n=100, weight=7.0)
    rows = [3, 1, 50, 99, 20]
    estimate = simulation_top_and_random(of.truth, of.prediction, of.lengths, rows)
    assert estimate.value == pytest.approx(
        pearson(moments(of.truth[rows], of.prediction[rows], of.lengths[rows]).sum(0)), abs=1e-9
    )
    assert (estimate.n_contexts, estimate.low, estimate.high) == (5, None, None)


@pytest.mark.parametrize(("firing", "silent", "few"), [(11, 40, True), (12, 40, False), (300, 40, False), (5, 5, True)])
def test_top_and_random_has_no_interval_and_so_is_never_ok(firing, silent, few):
    """What it says first is what the scores beside it, on all that is at hand, say first as well."""
    n = firing + silent
    truth = np.zeros((n, 4))
    truth[:firing, 1] = 1 + np.arange(firing)
    prediction = truth + np.eye(n, 4)
    found = simulation_top_and_random(truth, prediction, np.full(n, 4), [0, 1, n - 1])
    assert (found.state, found.low) == ("imprecise", None)
    assert found.reason.startswith(TOO_FEW) == few
    assert "no sample of the corpus" in found.reason
    beside = simulation(truth, prediction, np.full(n, 4), np.ones(n), (truth.max(axis=1) > 0).astype(int))
    assert (left_out(beside.reason) is not None) == few


def test_top_and_random_of_a_constant_is_undefined():
    of = corpus(n=100)
    assert simulation_top_and_random(of.truth, 0 * of.prediction, of.lengths, [0, 1]).state == "undefined"


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "ok"},
        {"state": "ok", "value": 0.5},
        {"state": "ok", "value": 0.5, "low": 0.4},
        {"state": "imprecise", "value": 0.5},
        {"state": "undefined", "value": 0.0, "reason": "constant"},
        {"state": "failed", "low": 0.0, "reason": "no answer"},
        {"state": "failed"},
    ],
)
def test_states_are_never_numbers_and_say_why(wrong):
    with pytest.raises(ValueError, match="a score that is"):
        Estimate(n_contexts=3, **wrong)


def test_a_score_that_failed_needs_no_more_than_a_reason():
    assert Estimate(n_contexts=0, state="failed", reason="the answer was cut short").value is None


@pytest.mark.parametrize(("firing", "silent", "few"), [(11, 40, True), (12, 4, False), (12, 5, False), (0, 40, True)])
def test_what_is_undefined_on_a_handful_says_first_that_it_is_a_handful(firing, silent, few):
    """Such a score is in no mean, not even as the 0 of a label that predicts nothing."""
    n = firing + silent
    truth = np.zeros((n, 4))
    truth[:firing, 1] = 1 + np.arange(firing)
    frame = {"lengths": np.full(n, 4), "weight": np.ones(n), "stratum": (truth.max(axis=1) > 0).astype(int)}
    found = simulation(truth, np.zeros_like(truth), **frame)
    assert found.state == "undefined"
    assert found.reason.startswith(TOO_FEW) == few
    assert "on every token" in found.reason
