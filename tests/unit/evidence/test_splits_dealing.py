"""Few documents are dealt by strength, so that chance leaves no purpose without the strongest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.evidence.sampling import number_of, split_of
from labeler.evidence.splits import DEALT, FEW, STRONG, deal

EXPLAIN, SELECT, SCORE = 0, 1, 2


def dealt(strengths, seed=0):
    """A deal of documents that hold one context each, of these strengths."""
    document = np.arange(len(strengths))
    draw = np.array([number_of(f"{seed} {name}") for name in document])
    return deal(document, draw, np.asarray(strengths, dtype=np.float32))


strengths = st.lists(st.floats(0.125, 100, width=16), min_size=1, max_size=DEALT - 1)


@given(strengths, st.integers(0, 9), st.integers(0, 5))
def test_every_few_that_are_about_as_strong_are_shared_out(found, seed, silent):
    made = dealt([*found, *[0.0] * silent], seed)
    strong = sum(one >= max(found) / 2 for one in found)
    assert made.halves == (len(found) < FEW or strong < STRONG)
    ordered = np.lexsort(
        ([number_of(f"{seed} {name}") for name in range(len(made.purpose))], -np.r_[found, [0.0] * silent])
    )
    size, shares = (2, [1, 1]) if made.halves else (5, [2, 1, 2])
    for first in range(0, len(ordered) - size + 1, size):
        assert np.bincount(made.purpose[ordered[first : first + size]], minlength=len(shares)).tolist() == shares


@given(strengths, st.randoms(use_true_random=False))
def test_a_document_goes_where_it_goes_in_whatever_order_its_contexts_come(found, random):
    document = np.repeat(np.arange(len(found)), 2)  # a weaker context beside each
    maximum = np.repeat(np.asarray(found, dtype=np.float32), 2) * np.tile([1.0, 0.5], len(found))
    draw = np.array([number_of(str(name)) for name in document])
    order = list(range(len(document)))
    random.shuffle(order)
    one, other = deal(document, draw, maximum), deal(document[order], draw[order], maximum[order])
    np.testing.assert_array_equal(one.purpose, other.purpose)
    np.testing.assert_array_equal(one.documents, other.documents)


def test_three_strong_ones_among_many_weak_are_all_explained_and_either_half_has_some():
    found = [2.2, 2.1, 2.0, *np.linspace(0.4, 0.1, 27)]
    by_hash = 0
    for seed in range(50):
        made = dealt(found, seed)
        assert made.halves
        assert set(made.purpose[:3]) == {0, 1}
        by_hash += {split_of(f"{seed} {name}") for name in range(3)} <= {SELECT, SCORE}
    assert by_hash  # by their hashes the explainer would see none of them now and then


def test_halves_have_about_as_much():
    for n in range(2, FEW):
        for seed in range(20):
            made = dealt(np.linspace(1, 0.2, n), seed)
            assert abs(np.diff(np.bincount(made.purpose, minlength=2))[0]) <= 1


@pytest.mark.parametrize("n", [0, DEALT, DEALT + 100])
def test_many_are_left_to_their_hashes_and_none_has_nothing_to_deal(n):
    assert dealt([1.0] * n + [0.0] * 3) is None


@given(st.integers(1, DEALT - 1), st.sampled_from([None, 0, 1]))
def test_what_was_not_dealt_keeps_its_split(n, fold):
    made = dealt([1.0] * n)
    document = np.arange(2 * n)
    by_hash = np.array([split_of(str(name)) for name in document], dtype=np.uint8)
    found = made.split(document, by_hash, fold)
    np.testing.assert_array_equal(found[n:], by_hash[n:])
    if made.halves:
        expected = np.zeros(n) if fold is None else np.where(made.purpose == fold, EXPLAIN, SCORE)
        np.testing.assert_array_equal(found[:n], expected)


def test_either_fold_scores_what_the_other_explains():
    made = dealt([3.0, 2.0, 1.0])
    document, by_hash = np.arange(3), np.zeros(3, dtype=np.uint8)
    one, other = (made.split(document, by_hash, fold) for fold in (0, 1))
    assert (one + other == SCORE).all()
