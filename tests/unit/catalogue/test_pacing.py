"""How many features a budget lets be under way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.catalogue.pacing import affordable

EXPECTED = {"feature": 0.04, "call": 0.02}
dollars = st.floats(0.0001, 10)


@pytest.mark.parametrize(
    ("room", "took", "n"),
    [
        (0.43, [], 10),  # a call to spare, and four cents for each
        (0.03, [], 1),  # the first shows what one takes
        (0.0, [], 1),
        (0.43, [0.01], 16),  # what was expected counts once, what was seen each time
        (0.43, [0.01] * 32, 37),
        (0.035, [0.01] * 32, 1),
        (0.0301, [0.01], 1),  # by what was seen one more can be finished
        (0.0299, [0.01], 0),
        (0.0299, [0.01] * 32, 0),
        (-1.0, [0.01], 0),
    ],
)
def test_as_many_as_the_money_is_expected_to_finish(room, took, n):
    assert affordable(room, took, EXPECTED) == n


def test_what_costs_nothing_is_not_counted():
    assert affordable(1.0, [], {"feature": 0.0, "call": 0.0}) is None
    assert affordable(1.0, [0.0], None) is None


def test_where_nothing_is_known_one_shows_what_they_take():
    assert affordable(1.0, [], None) == 1
    assert affordable(1.0, [0.1], None) == 10
    assert affordable(0.01, [0.1], None) == 1


@given(dollars, dollars, st.lists(dollars, min_size=1, max_size=32), dollars)
def test_a_feature_more_takes_more_money(room, more, took, feature):
    expected = {"feature": feature, "call": 0.02}
    assert 0 <= affordable(room, took, expected) <= affordable(room + more, took, expected)


@given(dollars, st.lists(dollars, min_size=1, max_size=32), dollars)
def test_all_that_are_under_way_fit_at_what_they_took(room, took, feature):
    n = affordable(room, took, {"feature": max(feature, *took), "call": 0.02})
    assert n * sum(took) / len(took) <= room + 1e-9
