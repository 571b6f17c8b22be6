"""Means over a catalogue."""

import numpy as np
import pytest

from labeler.metrics import LEAST, Average, average, paired_difference


def test_the_mean_has_an_interval_and_counts_undefined_scores_as_zero():
    found = average([0.4, None, 0.8, 0.4])
    assert (found.mean, found.n, found.n_undefined) == (pytest.approx(0.4), 4, 1)
    assert 0 <= found.low < found.mean < found.high <= 0.8


def test_the_interval_is_that_of_the_mean_of_a_sample():
    values = np.random.default_rng(0).normal(0.3, 0.2, size=400)
    found = average(list(values))
    half = 1.96 * values.std(ddof=1) / 20
    assert (found.low, found.high) == (
        pytest.approx(values.mean() - half, abs=0.003),
        pytest.approx(values.mean() + half, abs=0.003),
    )
    assert average(list(values), seed=1) != found
    assert average(list(values), seed=0) == found


def test_many_features_give_the_same_interval_by_formula():
    values = list(np.random.default_rng(0).beta(1, 3, size=5001))
    drawn, by_formula = average(values[:5000]), average(values)
    assert average(values, seed=1) == by_formula
    assert (by_formula.low, by_formula.high) == (
        pytest.approx(drawn.low, abs=5e-4),
        pytest.approx(drawn.high, abs=5e-4),
    )


def test_a_few_scores_have_no_interval_and_none_no_mean():
    assert average([0.3]) == Average(mean=0.3, low=None, high=None, n=1, n_undefined=0)
    assert average([0.3, None]) == Average(mean=0.15, low=None, high=None, n=2, n_undefined=1)
    assert average([0.3] * (LEAST - 1)).low is None
    assert average([0.3] * LEAST).low is not None
    assert paired_difference([0.3] * 3, [0.2] * 3).low is None
    assert average([]) == Average(mean=None, low=None, high=None, n=0, n_undefined=0)


def test_pairs_are_compared_feature_by_feature():
    base = np.random.default_rng(0).random(100)
    found = paired_difference(list(base + 0.1), list(base))
    assert (found.low, found.mean, found.high) == (pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.1))


def test_a_pair_is_undefined_where_either_side_is():
    found = paired_difference([None, 0.5, None, 0.4], [0.1, None, None, 0.2])
    assert (found.mean, found.n, found.n_undefined) == (pytest.approx((-0.1 + 0.5 + 0 + 0.2) / 4), 4, 3)


def test_pairs_need_both_sides():
    with pytest.raises(ValueError, match="2 and 1"):
        paired_difference([0.1, 0.2], [0.1])


def test_nan_is_no_score():
    with pytest.raises(ValueError, match="finite"):
        average([float("nan"), 0.1])
