"""Samples drawn again within classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.metrics import bootstrap, percentile_interval, replicate, resampling_classes
from labeler.metrics.bootstrap import covariance, quadratic


def unpacked(packed, k):
    square = np.zeros((k, k))
    square[np.triu_indices(k)] = packed
    return square + np.triu(square, 1).T


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=80))
def test_classes_join_neighbours_until_they_are_large_enough(strata):
    stratum = np.array(strata)
    classes = resampling_classes(stratum)
    order = np.argsort(stratum, kind="stable")
    assert (np.diff(classes[order]) >= 0).all()
    for value in np.unique(stratum):
        assert len(np.unique(classes[stratum == value])) == 1
    firing = stratum > 0
    if (~firing).sum() > 1:
        assert not set(classes[firing]) & set(classes[~firing])
    if firing.sum() >= 5:
        assert min((classes == label).sum() for label in set(classes[firing])) >= 5
    elif firing.any():
        assert len(np.unique(classes[firing])) == 1


def test_the_few_strongest_contexts_join_the_stratum_below():
    assert resampling_classes(np.array([0, 0, 0, 3, 3, 3, 3, 3, 7])).tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 1]


def test_a_single_silent_context_goes_with_the_firing_ones():
    assert len(set(resampling_classes(np.array([0, 1, 1, 1, 1, 1, 1])))) == 1


def test_no_contexts_have_no_classes():
    assert resampling_classes(np.array([], dtype=np.int64)).tolist() == []


def test_stratum_totals_stay_as_known():
    classes = np.repeat([0, 1, 2], [30, 6, 2])
    weight = np.repeat([50.0, 3.0, 1.0], [30, 6, 2])
    values = weight[:, None] * np.eye(3)[classes]
    totals, _ = replicate(values, classes, replicates=200)
    assert totals == pytest.approx(np.broadcast_to(values.sum(0), (200, 3)))


def test_replicates_have_the_mean_and_covariance_of_the_design():
    rng = np.random.default_rng(0)
    classes = np.repeat([0, 1, 2, 3], [40, 7, 2, 1])
    values = rng.lognormal(size=(50, 3)) * [1, 2, 3]
    totals, packed = replicate(values, classes, replicates=20_000)
    expected = unpacked(covariance(values, classes), 3)
    assert totals.mean(0) == pytest.approx(values.sum(0), rel=0.01)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.cov(totals.T) / scale == pytest.approx(expected / scale, abs=0.03)
    # A replicate has one draw fewer than its class has units, and so a little less spread.
    less = sum(
        covariance(values[classes == label], classes[classes == label]) * (size - 2) / (size - 1)
        for label, size in enumerate([40, 7, 2])
    )
    assert unpacked(packed.mean(0), 3) / scale == pytest.approx(unpacked(less, 3) / scale, abs=0.03)


def test_a_packed_covariance_gives_the_variance_of_a_sum():
    values, classes = np.random.default_rng(0).random((30, 3)), np.repeat([0, 1], 15)
    coefficients = np.array([1.0, -0.5, 2.0])
    of_the_sum = covariance((values @ coefficients)[:, None], classes)
    assert quadratic(coefficients, covariance(values, classes)) == pytest.approx(of_the_sum[0])


def test_a_single_unit_is_in_every_replicate():
    totals, packed = replicate(np.array([[2.0, 3.0]]), np.array([0]), replicates=5)
    assert totals.tolist() == [[2, 3]] * 5
    assert not packed.any()


def test_the_seed_decides():
    values, classes = np.random.default_rng(0).random((60, 2)), np.repeat([0, 1], 30)
    first, again, other = (replicate(values, classes, replicates=50, seed=seed)[0] for seed in (1, 1, 2))
    assert (first == again).all()
    assert not (first == other).all()


def test_pieces_give_what_the_whole_gives(monkeypatch):
    values, classes = np.random.default_rng(0).random((700, 2)), np.zeros(700, dtype=np.int64)
    whole, _ = replicate(values, classes, replicates=64)
    monkeypatch.setattr("labeler.metrics.bootstrap.ONE_THREAD", 1000)
    assert replicate(values, classes, replicates=64)[0] == pytest.approx(whole)


def test_the_percentile_interval_leaves_out_a_fortieth_on_each_side():
    assert percentile_interval(np.arange(1001.0)) == (25.0, 975.0)


def of_one_class(n: int) -> np.ndarray:
    """Silent contexts as they are: nearly all predicted next to nothing, a few loudly."""
    rng = np.random.default_rng(3)
    loud = rng.lognormal(-6, 2, n)
    return np.stack([np.full(n, 32.0), loud, loud**2 * rng.uniform(0.2, 1, n)], axis=1)


def test_units_that_are_alike_are_drawn_together_and_make_the_same_replicates():
    values, classes = of_one_class(4_000), np.zeros(4_000, dtype=int)
    kinds, share = bootstrap._alike(values, 3)
    assert len(kinds) < 400
    assert (kinds * share[:, None]).sum(0) * len(values) == pytest.approx(values.sum(0))
    together, spread = replicate(values, classes, replicates=4_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "MANY", 10**9)
        alone, expected = replicate(values, classes, replicates=4_000)
    np.testing.assert_allclose(together.mean(0), alone.mean(0), rtol=0.02)
    np.testing.assert_allclose(together[:, 1:].std(0), alone[:, 1:].std(0), rtol=0.06)
    np.testing.assert_allclose(np.median(spread, axis=0), np.median(expected, axis=0), rtol=0.06, atol=1e-6)


def test_units_that_differ_are_drawn_alone():
    values = np.random.default_rng(0).normal(size=(2_000, 6))
    assert bootstrap._alike(values, 6)[1] is None
