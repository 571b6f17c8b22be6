"""The weighted area under the receiver operating characteristic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.metrics import area, auc


def by_definition(truth, number, weight):
    """Over all pairs."""
    up, down = number[truth][:, None], number[~truth][None, :]
    pairs = weight[truth][:, None] * weight[~truth][None, :]
    return float((pairs * ((up > down) + (up == down) / 2)).sum() / pairs.sum())


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(1, 4)), min_size=2, max_size=40).filter(
        lambda rows: len({row[0] for row in rows}) == 2
    )
)
def test_it_is_the_share_of_pairs_in_order_with_ties_and_weights(rows):
    truth, number, weight = (np.array(column) for column in zip(*rows, strict=True))
    found = area(truth, number, weight.astype(float))
    assert found == pytest.approx(by_definition(truth, number, weight))
    repeated = np.repeat(np.arange(len(truth)), weight)
    assert found == pytest.approx(area(truth[repeated], number[repeated], np.ones(len(repeated))))
    assert area(~truth, number, weight.astype(float)) == pytest.approx(1 - found)


def drawn(rng, n_firing=40, n_silent=300, shift=1.0):
    """Silent contexts of weight 50 and firing ones of three strata, of which the strong are rare and better found."""
    stratum = np.r_[np.zeros(n_silent, np.int64), rng.choice([5, 6, 7], n_firing)]
    weight = np.array([50.0, 1, 1, 1, 1, 8.0, 3.0, 1.0])[stratum]
    number = rng.normal(size=len(stratum)) + np.where(stratum > 0, shift + 0.3 * (stratum - 5), 0.0)
    return stratum > 0, number, weight, stratum


def test_a_perfect_ranking_is_one_and_not_certain():
    truth = np.arange(60) >= 50
    found = auc(truth, np.arange(60.0), np.ones(60), truth.astype(int))
    assert (found.value, found.high) == (1, 1)
    assert 0.5 < found.low < 0.95


def test_a_constant_number_scores_one_half():
    truth = np.arange(60) >= 30
    found = auc(truth, np.zeros(60), np.ones(60), truth.astype(int))
    assert found.value == 0.5
    assert found.low < 0.5 < found.high


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000))
def test_the_interval_holds_the_value_and_the_seed_decides(seed):
    of = drawn(np.random.default_rng(seed))
    found = auc(*of, seed=1)
    assert found == auc(*of, seed=1)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.value == pytest.approx(by_definition(of[0], of[1], of[2]))


@pytest.mark.parametrize(("n_firing", "shift"), [(40, 0.0), (40, 1.0), (8, 1.5)])
def test_the_interval_covers_the_area_of_the_population(n_firing, shift):
    rng = np.random.default_rng(3)
    truth, number, _, stratum = drawn(rng, 40_000, 40_000, shift)
    share = np.array([1.0, 0, 0, 0, 0, 8 / 12, 3 / 12, 1 / 12])[stratum]
    expected = area(truth, number, share)
    held = 0
    for at in range(100):
        rng = np.random.default_rng([at, 5])
        of = drawn(rng, n_firing, 200, shift)
        firing = of[3] > 0
        counts = np.bincount(of[3], minlength=8)
        weight = np.where(firing, np.array([0, 0, 0, 0, 0, 8.0, 3.0, 1.0])[of[3]] / np.maximum(counts[of[3]], 1), 50.0)
        found = auc(of[0], of[1], weight, of[3])
        held += found.low <= expected <= found.high
    assert held >= 90


def test_what_is_missing_is_undefined_and_says_so():
    nothing = np.zeros(3, dtype=bool)
    assert auc(nothing, np.arange(3.0), np.ones(3), np.zeros(3, int)).reason == "no context at hand fires"
    assert auc(~nothing, np.arange(3.0), np.ones(3), np.ones(3, int)).reason == "no context at hand is silent"
    assert area(nothing, np.arange(3.0), np.ones(3)) is None
    assert area(nothing[:0], np.zeros(0), np.zeros(0)) is None


def test_a_single_silent_context_keeps_its_class():
    truth = np.array([False, True, True, True])
    found = auc(truth, np.array([0.0, 1, 2, -1]), np.ones(4), np.array([0, 3, 4, 5]))
    assert found.value == pytest.approx(2 / 3)
    assert found.state == "imprecise"


def test_what_cannot_be_ranked_is_refused():
    truth = np.array([True, False])
    with pytest.raises(ValueError, match="finite"):
        area(truth, np.array([np.nan, 0]), np.ones(2))
    with pytest.raises(ValueError, match=r"\[n\] each"):
        area(truth, np.zeros(2), np.ones(3))
    with pytest.raises(ValueError, match="positive, finite weight"):
        area(truth, np.zeros(2), np.array([1.0, -1]))
