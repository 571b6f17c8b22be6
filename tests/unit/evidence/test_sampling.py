import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.evidence.sampling import (
    N_STRATA,
    draw,
    first_of_group,
    inclusion_probabilities,
    permanent_number,
    pool_limit,
    split_of,
    strata,
    systematic,
)
from labeler.features import Frame

sizes = st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=60).map(np.array)


@given(sizes, st.integers(1, 60))
def test_inclusion_probabilities_add_up_to_the_sample_size_and_never_exceed_one(size, n):
    probability = inclusion_probabilities(size, n)
    assert probability.sum() == pytest.approx(min(n, len(size)))
    assert (probability > 0).all()
    assert (probability <= 1 + 1e-9).all()


@given(sizes, st.integers(1, 30), st.integers(0, 2**32))
def test_a_systematic_draw_has_the_wanted_size_and_takes_what_is_certain(size, n, seed):
    probability = inclusion_probabilities(size, n)
    rows = systematic(probability, np.random.default_rng(seed))
    assert len(rows) == min(n, len(size))
    assert len(set(rows)) == len(rows)
    assert set(np.flatnonzero(probability >= 1 - 1e-12)) <= set(rows)


def test_contexts_are_drawn_as_often_as_their_probabilities_say():
    probability = inclusion_probabilities(np.arange(1.0, 41.0) ** 2, 10)
    hits = np.zeros(40)
    for seed in range(4000):
        hits[systematic(probability, np.random.default_rng(seed))] += 1
    assert np.abs(hits / 4000 - probability).max() < 0.04


def test_permanent_numbers_are_uniform_and_do_not_depend_on_where_one_starts():
    numbers = permanent_number(np.arange(100_000))
    assert np.histogram(numbers, 10, (0, 1))[0].min() > 9_500
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.01
    np.testing.assert_array_equal(permanent_number(np.arange(500, 510)), numbers[500:510])


def test_strata_are_powers_of_two_and_silence_is_apart():
    found = strata(np.array([0.0, 1e-9, 1.0, 1.99, 2.0, 1e9]))
    assert found[0] == 0
    assert found[1] == 1
    assert found[2] == found[3] == found[4] - 1
    assert found[5] == N_STRATA - 1


def test_documents_fall_into_splits_forty_twenty_forty():
    counts = np.bincount([split_of(f"document {i}") for i in range(20_000)])
    np.testing.assert_allclose(counts / 20_000, [0.4, 0.2, 0.4], atol=0.015)


def test_the_smallest_are_found_within_groups():
    chosen = first_of_group(np.array([1, 0, 1, 0, 1]), np.array([50, 90, 10, 20, 70], dtype=np.uint64), 2)
    assert chosen.tolist() == [True, True, True, True, False]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**33 - 1)), unique=True, max_size=60), st.integers(1, 4))
def test_the_smallest_of_a_group_are_those_that_sorting_finds(pairs, n):
    group = np.array([g for g, _ in pairs], dtype=np.int64)
    key = np.array([k for _, k in pairs], dtype=np.uint64)
    chosen = first_of_group(group, key, n)
    for g in set(group.tolist()):
        wanted = sorted(k for h, k in pairs if h == g)[:n]
        assert sorted(key[chosen & (group == g)].tolist()) == wanted


def test_the_pool_is_the_contexts_with_the_smallest_numbers():
    assert pool_limit(20_000) == 1.0
    limit = pool_limit(60_000)
    assert (permanent_number(np.arange(60_000)) <= limit).sum() == 20_000


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


def test_a_draw_speaks_for_the_whole_frame():
    frame = frame_of(600)
    guide = np.random.default_rng(1).random(600)
    totals = []
    for seed in range(400):
        drawn = draw(frame, 60, guide, seed)
        assert len(drawn) == 60
        totals.append([drawn.weight.sum(), (drawn.weight[:, None] * drawn.truth).sum()])
    np.testing.assert_allclose(np.mean(totals, axis=0), [600, frame.truth.sum()], rtol=0.05)


def test_contexts_the_label_points_at_are_drawn_more_often():
    frame = frame_of(600)
    guide = np.zeros(600)
    silent = np.flatnonzero(~frame.firing)[:5]
    guide[silent] = 0.8
    drawn = draw(frame, 60, guide, 0)
    assert set(silent) <= set(drawn.contexts)


def test_a_frame_smaller_than_the_draw_is_taken_whole():
    frame = frame_of(20)
    assert draw(frame, 20, None, 0) is frame
