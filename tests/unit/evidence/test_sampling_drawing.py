"""Drawing contexts with known inclusion probabilities, in nested samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.evidence.sampling import draw, drawing, inclusion_probabilities, looks, strata
from labeler.features import Frame

sizes = st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=60).map(np.array)


@given(sizes, st.integers(1, 60))
def test_inclusion_probabilities_add_up_to_the_sample_size_and_never_exceed_one(size, n):
    probability = inclusion_probabilities(size, n)
    assert probability.sum() == pytest.approx(min(n, len(size)))
    assert (probability > 0).all()
    assert (probability <= 1 + 1e-9).all()


def frame_of(n: int, seed: int = 0) -> Frame:
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random((n, 4)) < 0.05, rng.exponential(size=(n, 4)), 0).astype(np.float32)
    return Frame(
        contexts=np.arange(n),
        truth=truth,
        lengths=np.full(n, 4),
        stratum=strata(truth.max(axis=1)),
        weight=np.ones(n),
    )


def test_contexts_are_drawn_as_often_as_their_probabilities_say():
    frame = frame_of(60)
    guide = np.arange(60.0) ** 2
    order = drawing(frame, [guide], 0)
    probability = inclusion_probabilities(order.size, 15)
    hits = np.zeros(60)
    for seed in range(4000):
        hits[drawing(frame, [guide], seed).first(15).contexts] += 1
    assert np.abs(hits / 4000 - probability).max() < 0.05


@given(st.integers(0, 2**32), st.integers(1, 100), st.integers(1, 100))
def test_samples_are_nested_and_of_the_wanted_size(seed, a, b):
    order = drawing(frame_of(120), [], seed)
    smaller, larger = sorted((a, b))
    one, other = order.first(smaller), order.first(larger)
    assert len(set(one.contexts)) == smaller
    assert len(set(other.contexts)) == larger
    assert set(one.contexts) <= set(other.contexts)
    assert (one.weight >= 1).all()


def test_a_draw_speaks_for_the_whole_frame():
    frame = frame_of(600)
    guide = np.random.default_rng(1).random(600)
    totals = []
    for seed in range(400):
        drawn = draw(frame, 60, [guide], seed)
        assert len(drawn) == 60
        totals.append([drawn.weight.sum(), (drawn.weight[:, None] * drawn.truth).sum()])
    np.testing.assert_allclose(np.mean(totals, axis=0), [600, frame.truth.sum()], rtol=0.05)


def test_contexts_the_label_points_at_are_drawn_more_often():
    frame = frame_of(600)
    guide = np.zeros(600)
    silent = np.flatnonzero(~frame.firing)[:5]
    guide[silent] = 0.8
    hits = [np.isin(silent, draw(frame, 60, [guide], seed).contexts).sum() for seed in range(100)]
    assert np.mean(hits) > 4.5


def test_a_guide_that_points_nowhere_leaves_its_share_to_the_others():
    frame = frame_of(600)
    without, empty = drawing(frame, [], 0), drawing(frame, [np.zeros(600)], 0)
    np.testing.assert_array_equal(without.order, empty.order)


def test_a_frame_smaller_than_the_draw_is_taken_whole_with_its_own_weights():
    frame = frame_of(20)
    drawn = draw(frame, 20, [], 0)
    assert sorted(drawn.contexts) == list(range(20))
    assert (drawn.weight == 1).all()


def test_looks_are_at_half_and_all_of_a_sample():
    assert looks(80) == (40, 80)
    assert looks(3) == (2, 3)
    assert looks(2) == (2,)
