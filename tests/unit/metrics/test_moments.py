"""Moments of contexts and the correlation of their totals."""

import numpy as np
import pytest
from hypothesis import given, settings

from labeler.metrics import moments, pearson
from labeler.metrics.moments import influence
from tests.unit.metrics.corpora import corpora, corpus


def tokens(side, of):
    """The tokens of every context, each context as often as it weighs."""
    return np.concatenate([np.tile(row[:end], int(w)) for row, end, w in zip(side, of.lengths, of.weight, strict=True)])


def test_moments_are_sums_over_the_tokens_of_a_context():
    found = moments(np.array([[1.0, 2.0, 9.0]]), np.array([[3.0, 4.0, 9.0]]), np.array([2]))
    assert found.tolist() == [[2, 3, 7, 5, 25, 11]]


@settings(deadline=None)
@given(corpora())
def test_pearson_is_that_of_all_tokens_as_often_as_their_context_weighs(of):
    x, y = tokens(of.truth, of), tokens(of.prediction, of)
    r = pearson(of.weight @ moments(of.truth, of.prediction, of.lengths))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan(r)
    else:
        assert r == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-9)


def test_pearson_works_on_a_stack_of_totals():
    of = corpus(n=40)
    found = moments(of.truth, of.prediction, of.lengths)
    stacked = np.stack([found.sum(0), found[:20].sum(0), np.zeros(6)])
    assert pearson(stacked).shape == (3,)
    assert pearson(stacked)[:2].tolist() == [pearson(found.sum(0)), pearson(found[:20].sum(0))]
    assert np.isnan(pearson(stacked)[2])


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e-8, 1e8, -3.3])
def test_a_constant_side_is_undefined_whatever_the_rounding(constant):
    of = corpus(n=500)
    flat = np.full_like(of.truth, constant)
    assert np.isnan(pearson(moments(of.truth, flat, of.lengths).sum(0)))
    assert np.isnan(pearson(moments(flat, of.prediction, of.lengths).sum(0)))


def test_a_rare_small_spike_is_not_taken_for_rounding():
    x = np.zeros((20_000, 32))
    x[7, 3] = 1e-3
    assert pearson(moments(x, x, np.full(20_000, 32)).sum(0)) == pytest.approx(1)


def test_the_influence_of_a_context_is_the_derivative_in_its_weight():
    of = corpus(n=50)
    found = moments(of.truth, of.prediction, of.lengths)
    totals = found.sum(0)
    step = 1e-6
    by_difference = (pearson(totals + step * found) - pearson(totals - step * found)) / (2 * step)
    assert found @ influence(totals) == pytest.approx(by_difference, abs=1e-8)
    assert totals @ influence(totals) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e200])
def test_numbers_that_are_not_finite_are_refused_on_tokens_and_ignored_behind_the_end(wrong):
    truth, prediction, lengths = np.ones((2, 3)), np.ones((2, 3)), np.array([3, 2])
    prediction[1, 2] = wrong
    moments(truth, prediction, lengths)
    with pytest.raises(ValueError, match="finite"):
        moments(truth, prediction, np.array([3, 3]))
    with pytest.raises(ValueError, match="finite"):
        moments(prediction, truth, np.array([3, 3]))


@pytest.mark.parametrize(
    ("truth", "prediction", "lengths"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), np.array([3, 3])),
        (np.ones((2, 3)), np.ones((3, 3)), np.array([3, 3])),
        (np.ones((2, 3)), np.ones((2, 3)), np.array([3])),
        (np.ones((2, 3)), np.ones((2, 3)), np.array([3, 4])),
        (np.ones((2, 3)), np.ones((2, 3)), np.array([3, -1])),
        (np.ones(3), np.ones(3), np.array(3)),
    ],
)
def test_shapes_that_disagree_are_refused(truth, prediction, lengths):
    with pytest.raises(ValueError, match=r"must be|must lie"):
        moments(truth, prediction, lengths)
