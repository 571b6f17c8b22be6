"""Which of two predictions of the same contexts is better."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.metrics import pearson, simulation
from labeler.metrics.comparison import dependence, difference, known, verdict
from labeler.metrics.moments import unit_moments
from tests.unit.metrics.corpora import Corpus, corpora, corpus

ends = st.tuples(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1)).map(lambda x: (x[0], x[0] - x[1], x[0] + x[2]))


def test_unrelated_errors_add_in_quadrature_and_shared_ones_cancel():
    one, other = (0.6, 0.5, 0.7), (0.4, 0.3, 0.5)
    assert difference(one, other) == pytest.approx((0.2, 0.2 - math.sqrt(0.02), 0.2 + math.sqrt(0.02)))
    assert difference(one, other, 1.0) == pytest.approx((0.2, 0.2, 0.2))
    assert difference(one, other, -1.0) == pytest.approx((0.2, 0.0, 0.4))


@given(ends, ends, st.floats(-1, 1))
def test_the_other_way_round_it_is_the_same_difference_with_its_sign_turned(one, other, together):
    value, low, high = difference(one, other, together)
    assert low <= value <= high
    assert difference(other, one, together) == pytest.approx((-value, -high, -low))


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.01, 0.2, "better"), (-0.2, -0.01, "worse"), (-0.1, 0.1, "alike"), (0.0, 0.0, "alike"), (0.0, 0.2, "alike")],
)
def test_a_tie_is_no_defeat(low, high, said):
    assert verdict(low, high) == said


def test_a_number_without_an_interval_is_not_compared():
    assert known(0.5, None, 0.6) is None
    assert known(None, 0.1, 0.6) is None
    assert known(0.5, 0.4, 0.6) == (0.5, 0.4, 0.6)


def test_the_same_prediction_twice_differs_by_nothing():
    of = corpus(n=200)
    assert dependence(of.truth, of.prediction, 3 * of.prediction, *list(of)[2:]) == pytest.approx(1.0)


@given(corpora(), st.booleans())
def test_it_is_a_correlation_whatever_the_contexts_are(of, drawn):
    other = np.roll(of.prediction, 1, axis=0)
    for one in (of.prediction, np.zeros_like(of.prediction)):
        assert -1 <= dependence(of.truth, one, other, *list(of)[2:], drawn=drawn) <= 1


@pytest.mark.parametrize("kind", ["misses other contexts", "knows no strengths"])
def test_intervals_of_the_difference_hold(kind):
    """Drawn again and again from a corpus whose difference is known; the two predictions have much in common."""
    whole = corpus(n=6000, firing=0.5)
    rng = np.random.default_rng(0)
    other = np.where(whole.truth > 0, 1.0, 0.0) + (rng.random(whole.truth.shape) < 0.02)
    if kind == "misses other contexts":
        other = np.where(whole.truth > 0, whole.truth**0.7, 0.0) * (rng.random(len(other)) < 0.6)[:, None]

    def value(prediction):
        return float(pearson(unit_moments(whole.truth, prediction, whole.lengths).sum(0)))

    true, held = value(whole.prediction) - value(other), 0
    for draw in range(40):
        rows = rng.choice(len(whole.truth), 200, replace=False)
        some, same = whole.take(rows), Corpus(whole.truth, other, *list(whole)[2:]).take(rows)
        one, two = (simulation(*each, seed=draw) for each in (some, same))
        together = dependence(some.truth, some.prediction, same.prediction, *list(some)[2:])
        _, low, high = difference(*((e.value, e.low, e.high) for e in (one, two)), together)
        held += low <= true <= high
    assert held >= 36
