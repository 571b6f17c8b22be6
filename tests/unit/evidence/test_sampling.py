import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labeler.evidence.sampling import (
    N_STRATA,
    first_of_group,
    permanent_number,
    pool_limit,
    split_of,
    strata,
)


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
