"""Rank correlation: known answers, ties, properties, and how often its interval holds the truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.metrics import ranks
from labeler.metrics.ranks import FEWEST, MANY, RankCorrelation, rank_correlation

WHOLE = st.integers(-5, 5)


def test_spearmans_own_example_without_ties():
    # ρ = 1 - 6 Σd² / n(n² - 1), with Σd² = 194 and n = 10.
    a = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110]
    b = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17]
    assert rank_correlation(a, b).value == pytest.approx(-29 / 165)


def test_ties_stand_at_their_middle_rank():
    # Ranks 1, 2.5, 2.5, 4 and 1.5, 1.5, 3.5, 3.5: centred -1.5, 0, 0, 1.5 and -1, -1, 1, 1.
    assert rank_correlation([1, 2, 2, 3], [5, 5, 9, 9]).value == pytest.approx(3 / math.sqrt(4.5 * 4))


def test_only_the_order_counts():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=40), rng.normal(size=40)
    assert rank_correlation(np.exp(a), b**3) == rank_correlation(a, b)


def test_the_same_order_is_one_and_its_reverse_minus_one_with_certainty():
    up = list(range(20))
    assert rank_correlation(up, up) == RankCorrelation(value=1.0, low=1.0, high=1.0, n=20)
    assert rank_correlation(up, up[::-1]) == RankCorrelation(value=-1.0, low=-1.0, high=-1.0, n=20)


@given(st.lists(st.tuples(WHOLE, WHOLE), min_size=2, max_size=30))
def test_it_is_pearsons_r_of_the_ranks_whatever_the_ties(pairs):
    a, b = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    rank_a, rank_b = ([(side < x).sum() + (side <= x).sum() for x in side] for side in (a, b))
    found = rank_correlation(a, b, replicates=50)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert found == RankCorrelation(value=None, low=None, high=None, n=len(pairs))
        return
    assert found.value == pytest.approx(np.corrcoef(rank_a, rank_b)[0, 1])
    assert rank_correlation(b, a, replicates=50).value == pytest.approx(found.value)
    if len(pairs) >= FEWEST:
        assert -1 <= found.low <= found.value <= found.high <= 1
    else:
        assert found.low is found.high is None


def test_a_replicate_ranks_its_own_features():
    """Counts are draws: a feature drawn twice is two features that tie."""
    counts = np.array([[2.0, 0.0, 1.0, 3.0]])
    a, b = np.array([0, 1, 2, 1]), np.array([3, 0, 2, 1])
    drawn = np.repeat(np.arange(4), counts[0].astype(int))
    assert ranks._spearman(counts, a, b)[0] == pytest.approx(rank_correlation(a[drawn], b[drawn]).value)


@pytest.mark.parametrize(("n", "correlation"), [(20, 0.0), (50, 0.5), (50, 0.9)])
def test_the_interval_holds_the_truth_as_often_as_it_says(n, correlation):
    true = 6 / math.pi * math.asin(correlation / 2)  # of a bivariate normal
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(300):
        a = rng.normal(size=n)
        b = correlation * a + math.sqrt(1 - correlation**2) * rng.normal(size=n)
        found = rank_correlation(a, b, replicates=300, seed=seed)
        held += found.low <= true <= found.high
    assert 0.91 <= held / 300 <= 0.99


def test_many_features_give_the_same_interval_by_formula(monkeypatch):
    rng = np.random.default_rng(0)
    a = rng.normal(size=MANY)
    b = a + rng.normal(size=MANY)
    drawn = rank_correlation(a, b)
    monkeypatch.setattr(ranks, "MANY", MANY - 1)
    by_formula = rank_correlation(a, b)
    assert by_formula.value == drawn.value
    assert (by_formula.low, by_formula.high) == (
        pytest.approx(drawn.low, abs=5e-3),
        pytest.approx(drawn.high, abs=5e-3),
    )
    assert rank_correlation(a, a).high == 1.0


def test_the_seed_decides_the_interval_and_nothing_else():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=30), rng.normal(size=30)
    assert rank_correlation(a, b, seed=1) == rank_correlation(a, b, seed=1)
    assert rank_correlation(a, b, seed=1).low != rank_correlation(a, b, seed=2).low


@pytest.mark.parametrize("values", [[], [0.3]])
def test_fewer_than_two_features_have_no_correlation(values):
    assert rank_correlation(values, values) == RankCorrelation(value=None, low=None, high=None, n=len(values))


def test_scores_come_in_pairs_and_are_finite():
    with pytest.raises(ValueError, match=r"\(2,\) and \(1,\)"):
        rank_correlation([0.1, 0.2], [0.1])
    with pytest.raises(ValueError, match="finite"):
        rank_correlation([0.1, math.nan], [0.1, 0.2])
