"""Yes and no told apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.metrics import balanced_accuracy


def answers(hits, n_yes, rejected, n_no):
    """So many right of either class."""
    truth = [True] * n_yes + [False] * n_no
    said = [True] * hits + [False] * (n_yes - hits) + [False] * rejected + [True] * (n_no - rejected)
    return truth, said


def test_known_answers():
    assert balanced_accuracy(*answers(40, 40, 40, 40)).value == 1
    assert balanced_accuracy(*answers(0, 40, 0, 40)).value == 0
    assert balanced_accuracy(*answers(30, 40, 5, 10)).value == pytest.approx((0.75 + 0.5) / 2)


@given(st.integers(1, 30), st.integers(1, 30))
def test_who_always_says_the_same_scores_one_half_whatever_is_asked(n_yes, n_no):
    assert balanced_accuracy(*answers(n_yes, n_yes, 0, n_no)).value == 0.5
    assert balanced_accuracy(*answers(0, n_yes, n_no, n_no)).value == 0.5


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_the_interval_holds_the_value_and_order_never_matters(pairs):
    truth, said = zip(*pairs, strict=True)
    found = balanced_accuracy(truth, said)
    assert balanced_accuracy(truth[::-1], said[::-1]) == found
    if len(set(truth)) == 2:
        assert 0 <= found.low <= found.value <= found.high <= 1 + 1e-12
        assert found.high - found.low > 0.05
    else:
        assert found.state == "undefined"


def coverage(n_yes, n_no, p, q):
    """How often the interval holds the truth, exactly, over all outcomes of two binomial draws."""
    rng = np.random.default_rng(0)
    found = {}
    held = 0
    for a, b in zip(rng.binomial(n_yes, p, 4000), rng.binomial(n_no, q, 4000), strict=True):
        if (a, b) not in found:
            found[a, b] = balanced_accuracy(*answers(int(a), n_yes, int(b), n_no))
        held += found[a, b].low <= (p + q) / 2 <= found[a, b].high
    return held / 4000


@pytest.mark.parametrize(("n_yes", "n_no"), [(40, 40), (10, 40), (5, 30)])
def test_it_covers_what_it_says_on_average_with_few_questions_too(n_yes, n_no):
    covered = [coverage(n_yes, n_no, p, q) for p in (0.5, 0.7, 0.9) for q in (0.5, 0.8, 0.95)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)
    assert min(covered) > 0.9


def test_wider_than_asked_is_imprecise():
    assert balanced_accuracy(*answers(20, 40, 20, 40)).state == "ok"
    few = balanced_accuracy(*answers(4, 4, 40, 40))
    assert few.state == "ok"
    assert few.low < 0.8  # four right answers in a class prove little
    wide = balanced_accuracy(*answers(2, 4, 3, 6))
    assert wide.state == "imprecise"
    assert "exceeds 0.15" in wide.reason
    assert balanced_accuracy(*answers(2, 4, 3, 6), precision=0.5).state == "ok"


def test_without_one_of_the_classes_it_is_undefined_and_says_which():
    assert "no question's answer is no" in balanced_accuracy([True, True], [True, False]).reason
    assert "no question's answer is yes" in balanced_accuracy([False], [False]).reason
    assert balanced_accuracy([], []).reason == "nothing was asked"


def test_numbers_of_others_are_taken_too():
    assert balanced_accuracy(np.array([1, 0, 1, 0]), np.array([1, 0, 0, 0])).value == 0.75
    with pytest.raises(ValueError, match=r"\[n\] each"):
        balanced_accuracy([True], [True, False])
