"""The share of right answers."""

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.metrics import guessing_percentile, share
from labeler.metrics.proportions import wilson


def test_a_known_interval():
    """Wilson's interval of 15 in 20, by the published formula worked out by hand."""
    low, high = wilson(15, 20)
    assert (round(low, 4), round(high, 4)) == (0.5313, 0.8881)


@given(st.integers(1, 60), st.data())
def test_the_interval_holds_the_share_and_never_vanishes(n, data):
    low, high = wilson(data.draw(st.integers(0, n)), n)
    assert 0 <= low < high <= 1


@pytest.mark.parametrize("n", [8, 16, 40])
def test_it_covers_what_it_says_on_average(n):
    """Exactly, over all outcomes, averaged over true shares from .05 to .95."""
    intervals = [wilson(hits, n) for hits in range(n + 1)]
    covered = [
        sum(
            comb(n, hits) * p**hits * (1 - p) ** (n - hits)
            for hits, (low, high) in enumerate(intervals)
            if low <= p <= high
        )
        for p in (at / 100 for at in range(5, 96))
    ]
    assert sum(covered) / len(covered) == pytest.approx(0.95, abs=0.012)
    assert min(covered) > 0.88


def test_a_share_and_its_state():
    found = share([0, 1, 2, 3] * 5, [0, 1, 2, 4] * 5)
    assert (found.value, found.n_contexts, found.state) == (0.75, 20, "imprecise")
    assert found.low < 0.75 < found.high
    assert share([1] * 40, [1] * 20 + [0] * 20).state == "ok"  # 40 are enough for ±.15 at any share
    assert share([1] * 38, [1] * 19 + [0] * 19).state == "imprecise"


def test_without_questions_it_is_undefined():
    assert share([], []).state == "undefined"
    with pytest.raises(ValueError, match=r"\[n\] each"):
        share([1, 2], [1])


def test_where_guessing_stands():
    assert guessing_percentile(0, 1, 0.2) == pytest.approx(40)  # half of the 80 % that miss too
    assert guessing_percentile(1, 1, 0.2) == pytest.approx(90)
    assert guessing_percentile(20, 40, 0.2) > 99.9
    assert guessing_percentile(8, 40, 0.2) == pytest.approx(51.5, abs=1)
